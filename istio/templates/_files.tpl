{{/*
The files of a folder, as its kustomization.yaml names them, folder by folder; a list in JSON.
*/}}
{{- define "sidegate.files" -}}
{{- $files := list -}}
{{- $kustomization := printf "%s/kustomization.yaml" .folder | .root.Files.Get | fromYaml -}}
{{- range $name := $kustomization.resources -}}
{{- $place := clean (printf "%s/%s" $.folder $name) -}}
{{- if hasSuffix ".yaml" $place -}}
{{- $files = append $files $place -}}
{{- else -}}
{{- $inner := include "sidegate.files" (dict "root" $.root "folder" $place) -}}
{{- $files = concat $files (fromJsonArray $inner) -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/*
A file with image, digest and secret filled in, as `sidegate samples istio` does it.
*/}}
{{- define "sidegate.filled" -}}
{{- $values := .root.Values -}}
{{- .root.Files.Get .file
  | replace "registry.example.com/sidegate/filter:0.1.0" $values.filter.image
  | replace "0000000000000000000000000000000000000000000000000000000000000000" (trimPrefix "sha256:" $values.filter.digest)
  | replace "registry.example.com/sidegate/host:0.1.0" $values.host.image
  | replace "replace-this-sync-secret" (toJson $values.syncSecret)
  | replace "replace-this-mark" (toJson $values.mark)
  | replace "replace-this-hop-key-of-32-bytes-or-more" (toJson $values.hopKey) -}}
{{- end -}}

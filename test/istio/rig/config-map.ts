/**
 * A ConfigMap as the kubelet mounts it: links into a hidden folder, which is exchanged whole.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A ConfigMap that is mounted somewhere. */
export class MountedConfig {
  readonly folder: string;
  readonly #texts: Map<string, string>;
  #version = 0;

  constructor(folder: string, texts: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#texts = new Map(Object.entries(texts));
    mkdirSync(folder);
    this.#exchange();
  }

  /** The text of a file. */
  read(name: string): string {
    return this.#texts.get(name) ?? '';
  }

  /** Writes a file as a changed ConfigMap would. */
  write(name: string, text: string): void {
    this.#texts.set(name, text);
    this.#exchange();
  }

  /** Takes a file away. */
  remove(name: string): void {
    this.#texts.delete(name);
    this.#exchange();
  }

  #exchange(): void {
    const at = (name: string) => path.join(this.folder, name);
    const [before, next] = [`..${this.#version}`, `..${this.#version + 1}`];
    this.#version += 1;
    mkdirSync(at(next));
    for (const [name, text] of this.#texts) writeFileSync(path.join(at(next), name), text);
    symlinkSync(next, at('..data_tmp'));
    renameSync(at('..data_tmp'), at('..data'));
    const shown = new Set(readdirSync(this.folder).filter((name) => !name.startsWith('..')));
    for (const name of this.#texts.keys()) {
      if (!shown.delete(name)) symlinkSync(path.join('..data', name), at(name));
    }
    for (const name of shown) rmSync(at(name));
    rmSync(at(before), { recursive: true, force: true });
  }
}

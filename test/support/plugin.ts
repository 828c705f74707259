/**
 * The plugin configuration of the filter, as docs/wire.md §2 has it, for tests to vary.
 */

/** The keys of the plugin configuration; what is absent takes the filter's default. */
export interface PluginConfig {
  clusters: string[];
  authority?: string;
  proxyGroup?: string;
  noPolicy?: 'deny' | 'allow';
  otherHosts?: 'deny' | 'allow';
  mode?: 'enforce' | 'shadow' | 'off';
  startHoldMs?: number;
  holdMs?: number;
  heartbeatMs?: number;
  maxPolicyAgeMs?: number;
  clientAddress?: 'none' | 'peer' | 'xff';
  trustedHops?: number;
  hop?: 'none' | 'mint' | 'accept';
  hopPrincipals?: string[];
  filterState?: 'all' | 'denied' | 'none';
}

/** The text that stands in Envoy's configuration. */
export function bootstrapText(plugin: PluginConfig): string {
  return JSON.stringify(plugin);
}

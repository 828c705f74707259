/**
 * Quotas as the admin API shows them: what the host answers and the command prints. It must never
 * hold what only one of the two knows.
 */

/** One limit of a subscription in the window now. All but names and times are units. */
export interface QuotaState {
  readonly limit: string;
  readonly quota: number;
  /** Granted on top of the quota in this window. */
  readonly extra: number;
  /** Used as far as holders have said. */
  readonly used: number;
  /** Not used, as far as holders have said; what silent holders took away is not in it. */
  readonly remaining: number;
  readonly windowSeconds: number;
  readonly endsInMs: number;
}

/** One account near its end. Names are empty for what is no longer known. */
export interface NearLimit {
  readonly namespace: string;
  readonly application: string;
  readonly product: string;
  readonly plan: string;
  readonly limit: string;
  readonly subscriptionId: number;
  readonly windowSeconds: number;
  readonly used: number;
  readonly quota: number;
  /** Of the quota, the part that is used; above 1 only after the quota was lowered. */
  readonly fraction: number;
  readonly endsInMs: number;
}

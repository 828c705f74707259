/**
 * The request being decided, one at a time: what its phases have found so far. It only keeps it.
 */

/** What is known of the request; addresses are 0 for what it has not, or not yet. */
@unmanaged
export class Current {
  nowMs: u64;
  engine: usize;
  /** The policy it is decided with. */
  policy: usize;
  /** Its entry among the held when it waited before. */
  held: usize;
  product: usize;
  plan: usize;
  application: usize;
  credential: usize;
  subscription: usize;
  /** First of the edits that cut keys; they are carried out before a denial too. */
  keyEditsFrom: u32;
  /** One more than the last of them. */
  keyEditsTo: u32;
  key: usize;
  keyLength: u32;
  /** Units it takes from every limit. */
  cost: u32;
  operation: usize;
}

/** The one request. */
export const CURRENT: Current = changetype<Current>(memory.data(64, 8));

/**
 * Holds the directory to docs/wire.md, section 4: records by revision, generations, restrictive
 * reading. Guarantees that a request finds exactly what the newest records of its generation say.
 */

import {
  applicationCount,
  beginGeneration,
  credentialCount,
  DIRECTORY_BYTES,
  directoryFree,
  directoryInit,
  directoryTick,
  endGeneration,
  findApplication,
  findCredential,
  findSubscription,
  subscriptionCount,
} from '../../../assembly/directory/directory';
import {
  Application,
  applicationName,
  Credential,
  consumerName,
  Subscription,
} from '../../../assembly/directory/entry';
import { brokenTotal } from '../../../assembly/util/check';
import { room, textOf } from '../support/bytes';
import { digestAt, Records } from '../support/records';

const DIGEST: usize = room(32);

function directory(): usize {
  const at = room(DIRECTORY_BYTES);
  directoryInit(at, 0x0123456789abcdef, 0xfedcba9876543210);
  return at;
}

/** The id of the credential of a key, 0 if it is not found. */
function credentialOf(at: usize, key: u32): u64 {
  const found = findCredential(at, digestAt(DIGEST, key));
  return found == 0 ? 0 : changetype<Credential>(found).id;
}

function planOf(at: usize, application: u64, product: u64): u64 {
  const found = findSubscription(at, application, product);
  return found == 0 ? 0 : changetype<Subscription>(found).plan;
}

function settle(at: usize): void {
  while (directoryTick(at)) {}
}

describe('records', () => {
  // Guarantees that every field arrives where the pipeline reads it.
  test('are found with all their fields', () => {
    const at = directory();
    expect(credentialOf(at, 1)).toBe(0);
    const records = new Records()
      .credential(1, 5, 1, 2, 2)
      .application(2, 5, 'acme', 'web-shop')
      .subscription(3, 5, 2, 11, 31, 2);
    expect(records.apply(at)).toBe(0);
    const credential = changetype<Credential>(findCredential(at, digestAt(DIGEST, 1)));
    expect(credential.id).toBe(1);
    expect(credential.application).toBe(2);
    expect(credential.state).toBe(2);
    expect(credential.pending).toBe(0);
    const application = changetype<Application>(findApplication(at, 2));
    expect(application.consumer).toBe(900);
    expect(textOf(consumerName(application), application.consumerNameLength)).toBe('acme');
    expect(textOf(applicationName(application), application.applicationNameLength)).toBe(
      'web-shop',
    );
    const subscription = changetype<Subscription>(findSubscription(at, 2, 11));
    expect(subscription.id).toBe(3);
    expect(subscription.plan).toBe(31);
    expect(subscription.state).toBe(2);
    expect(findSubscription(at, 11, 2)).toBe(0);
    expect(findApplication(at, 3)).toBe(0);
  });

  // Guarantees that pages that are read again, or late, change nothing.
  test('of an equal or older revision are ignored', () => {
    const at = directory();
    new Records().subscription(3, 7, 2, 11, 31).apply(at);
    new Records().subscription(3, 7, 2, 11, 32).apply(at);
    new Records().subscription(3, 6, 2, 11, 33).apply(at);
    new Records().removed(3, 3, 7).apply(at);
    expect(planOf(at, 2, 11)).toBe(31);
    new Records().subscription(3, 8, 2, 11, 34).apply(at);
    expect(planOf(at, 2, 11)).toBe(34);
    new Records().removed(3, 3, 9).apply(at);
    expect(planOf(at, 2, 11)).toBe(0);
    expect(subscriptionCount(at)).toBe(0);
    new Records().removed(3, 3, 10).removed(3, 4, 10).apply(at);
    expect(subscriptionCount(at)).toBe(0);
  });

  // Guarantees that a revoked key stays revoked when another one had its digest.
  test('of one digest or pair count by their revision', () => {
    const at = directory();
    new Records().credential(1, 5, 1, 2).credential(9, 7, 1, 3).credential(5, 8, 2, 3).apply(at);
    expect(credentialOf(at, 1)).toBe(9);
    new Records().removed(1, 9, 9).apply(at);
    expect(credentialOf(at, 1)).toBe(1);
    new Records().subscription(4, 5, 2, 11, 31).subscription(3, 9, 2, 11, 32).apply(at);
    expect(planOf(at, 2, 11)).toBe(32);
  });

  // Guarantees that a record that breaks the promise about its keys is still found by its own.
  test('are found anew when what they are found under changes', () => {
    const at = directory();
    new Records().credential(1, 5, 1, 2).subscription(3, 5, 2, 11, 31).apply(at);
    new Records().credential(1, 6, 2, 2).subscription(3, 6, 2, 12, 31).apply(at);
    expect(credentialOf(at, 1)).toBe(0);
    expect(credentialOf(at, 2)).toBe(1);
    expect(planOf(at, 2, 11)).toBe(0);
    expect(planOf(at, 2, 12)).toBe(31);
    expect(brokenTotal()).toBe(0);
  });
});

describe('restrictive reading', () => {
  // Guarantees that no mix of an old policy and new records admits what neither admits: removals
  // are done, changes wait, additions are left out.
  test('removes, marks what changes and skips what is new', () => {
    const at = directory();
    new Records()
      .credential(1, 5, 1, 2)
      .credential(7, 5, 7, 2)
      .subscription(3, 5, 2, 11, 31)
      .apply(at);
    const changes = new Records()
      .credential(7, 6, 7, 2)
      .credential(8, 6, 8, 2)
      .subscription(3, 6, 2, 11, 32)
      .removed(1, 1, 7);
    expect(changes.apply(at, true)).toBe(0);
    expect(credentialOf(at, 1)).toBe(0);
    expect(credentialOf(at, 8)).toBe(0);
    expect(planOf(at, 2, 11)).toBe(31);
    const subscription = changetype<Subscription>(findSubscription(at, 2, 11));
    expect(subscription.pending).toBe(1);
    expect(changetype<Credential>(findCredential(at, digestAt(DIGEST, 7))).pending).toBe(0);
    // Read anew after the swap: the marks go, the new ones come.
    expect(changes.apply(at, false)).toBe(0);
    expect(subscription.pending).toBe(0);
    expect(planOf(at, 2, 11)).toBe(32);
    expect(credentialOf(at, 8)).toBe(8);
    expect(credentialOf(at, 1)).toBe(0);
  });
});

describe('generations', () => {
  // Guarantees that a first fill serves what it has, so that a good key need not wait for all.
  test('the first one serves as it fills', () => {
    const at = directory();
    beginGeneration(at);
    new Records().credential(1, 5, 1, 2).apply(at);
    expect(credentialOf(at, 1)).toBe(1);
    // Begun anew before it was complete: nothing of the first attempt is left.
    beginGeneration(at);
    expect(credentialOf(at, 1)).toBe(0);
    new Records().credential(4, 5, 4, 2).apply(at);
    endGeneration(at);
    settle(at);
    expect(credentialOf(at, 4)).toBe(4);
    expect(credentialCount(at)).toBe(1);
  });

  // Guarantees that the old generation serves unchanged until the new one is whole.
  test('the old one serves until the new one is complete', () => {
    const at = directory();
    new Records().credential(1, 5, 1, 2).credential(7, 5, 7, 2).apply(at);
    endGeneration(at);
    beginGeneration(at);
    new Records().credential(2, 5, 2, 2).credential(7, 6, 7, 3).apply(at);
    expect(credentialOf(at, 1)).toBe(1);
    expect(credentialOf(at, 2)).toBe(0);
    expect(changetype<Credential>(findCredential(at, digestAt(DIGEST, 7))).application).toBe(2);
    endGeneration(at);
    expect(credentialOf(at, 1)).toBe(0);
    expect(credentialOf(at, 2)).toBe(2);
    expect(changetype<Credential>(findCredential(at, digestAt(DIGEST, 7))).application).toBe(3);
    settle(at);
    expect(credentialCount(at)).toBe(2);
    expect(brokenTotal()).toBe(0);
  });

  // Guarantees that a fill after "start over" does not double the memory.
  test('keep once what they have alike', () => {
    const at = directory();
    const all = new Records();
    for (let i: u32 = 1; i <= 100; i++) all.credential(i, i, i, 2);
    all.apply(at);
    endGeneration(at);
    beginGeneration(at);
    all.apply(at);
    expect(credentialCount(at)).toBe(100);
    // A removal in the new one leaves the old one as it is.
    new Records().removed(1, 50, 200).apply(at);
    expect(credentialOf(at, 50)).toBe(50);
    endGeneration(at);
    expect(credentialOf(at, 50)).toBe(0);
    settle(at);
    expect(credentialCount(at)).toBe(99);
  });

  // Guarantees that a change in the new one does not reach the old one through what they share.
  test('part where one of them changes', () => {
    const at = directory();
    const alike = new Records().credential(1, 5, 1, 2).subscription(3, 5, 2, 11, 31);
    alike.apply(at);
    endGeneration(at);
    beginGeneration(at);
    alike.apply(at);
    expect(credentialCount(at)).toBe(1);
    new Records().credential(1, 6, 1, 9).subscription(3, 6, 2, 11, 32).apply(at);
    expect(changetype<Credential>(findCredential(at, digestAt(DIGEST, 1))).application).toBe(2);
    expect(planOf(at, 2, 11)).toBe(31);
    endGeneration(at);
    expect(changetype<Credential>(findCredential(at, digestAt(DIGEST, 1))).application).toBe(9);
    expect(planOf(at, 2, 11)).toBe(32);
    settle(at);
    expect(credentialCount(at) + subscriptionCount(at)).toBe(2);
  });

  // Guarantees that what waits for a policy in the old one does not wait in the new one.
  test('do not hand on marks', () => {
    const at = directory();
    const first = new Records().subscription(3, 5, 2, 11, 31);
    first.apply(at);
    endGeneration(at);
    new Records().subscription(3, 6, 2, 11, 32).apply(at, true);
    beginGeneration(at);
    first.apply(at);
    expect(changetype<Subscription>(findSubscription(at, 2, 11)).pending).toBe(1);
    endGeneration(at);
    expect(changetype<Subscription>(findSubscription(at, 2, 11)).pending).toBe(0);
  });

  // Guarantees that revisions of another store are not taken for those of the first.
  test('of another store keep their own revisions', () => {
    const at = directory();
    new Records().subscription(3, 900, 2, 11, 31).apply(at);
    endGeneration(at);
    beginGeneration(at);
    new Records().subscription(3, 5, 2, 11, 31).apply(at);
    endGeneration(at);
    new Records().subscription(3, 6, 2, 11, 32).apply(at);
    expect(planOf(at, 2, 11)).toBe(32);
    settle(at);
    expect(subscriptionCount(at)).toBe(1);
  });

  // Guarantees that fills that never end, one after another, use no more than two generations.
  test('that are given up leave nothing', () => {
    const at = directory();
    new Records().credential(1, 5, 1, 2).apply(at);
    endGeneration(at);
    for (let i: u32 = 0; i < 40; i++) {
      beginGeneration(at);
      new Records()
        .credential(100 + i, 6, 100 + i, 2)
        .application(7, 6, 'a', 'b')
        .apply(at);
      expect(credentialOf(at, 1)).toBe(1);
      expect(credentialOf(at, 100 + i)).toBe(0);
    }
    settle(at);
    expect(credentialCount(at)).toBe(2);
    endGeneration(at);
    settle(at);
    expect(credentialCount(at)).toBe(1);
    expect(applicationCount(at)).toBe(1);
    expect(credentialOf(at, 139)).toBe(139);
    directoryFree(at);
    expect(credentialOf(at, 139)).toBe(0);
    expect(credentialCount(at)).toBe(0);
  });
});

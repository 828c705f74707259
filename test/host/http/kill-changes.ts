/**
 * The random changes of the kill test: each kind a host can be asked for, with what it makes of the
 * model. It must never ask for what is refused: a refusal would be no change.
 */
import assert from 'node:assert/strict';
import type { Answer } from './kill-host.ts';
import {
  APPLICATIONS,
  batchOf,
  type Change,
  CONSUMERS,
  consumersOf,
  type Declared,
  everythingOf,
  type HeldKey,
  isEnded,
  planOf,
  type World,
} from './kill-world.ts';

type Random = () => number;
type Make = (world: World, random: Random) => Change;

/** A random change. */
export function changeOf(world: World, random: Random): Change {
  return pick(KINDS, random)(world, random);
}

function pick<T>(from: readonly T[], random: Random): T {
  const picked = from[Math.floor(random() * from.length)];
  if (picked === undefined) throw new Error('there is nothing to pick from');
  return picked;
}

const unique = (random: Random) => `once-${Math.floor(random() * 2 ** 52)}`;

/** A change of declared resources. */
function declaring(world: World, name: string, at: string, after: Declared, body?: object): Change {
  return {
    name,
    act: () => world.host.ask('POST', at, body),
    acknowledged: (answer) => world.declare(answer, after),
    settle: () => world.adopt(after),
  };
}

function plan(world: World, random: Random): Change {
  const name = pick(APPLICATIONS, random);
  const quota = 1_000_000 + Math.floor(random() * 1_000);
  const after = { ...world.declared, plans: { ...world.declared.plans, [name]: quota } };
  return declaring(world, 'plan', '/v1/apply', after, batchOf([planOf(name, quota)]));
}

function batch(world: World, random: Random): Change {
  const version = `v${Math.floor(random() * 1_000)}`;
  const names = Array.from({ length: CONSUMERS }, (_, at) => [`c-${at}`, version]);
  const more = Object.fromEntries(names);
  const after = { ...world.declared, consumers: { ...world.declared.consumers, ...more } };
  return declaring(world, 'batch', '/v1/apply', after, batchOf(consumersOf(more)));
}

function prune(world: World, random: Random): Change {
  const held = Object.entries(world.declared.consumers);
  const left = held.filter(([name]) => name === 'owner' || random() < 0.5);
  const after = { ...world.declared, consumers: Object.fromEntries(left) };
  return declaring(world, 'prune', '/v1/apply', after, batchOf(everythingOf(after), true));
}

const VERBS = [
  ['approve', 'active'],
  ['resume', 'active'],
  ['suspend', 'suspended'],
  ['reject', 'rejected'],
] as const;

function decide(world: World, random: Random): Change {
  const name = pick(APPLICATIONS, random);
  const [verb, state] = pick(VERBS, random);
  const after = { ...world.declared, states: { ...world.declared.states, [name]: state } };
  return declaring(world, verb, `/v1/subscriptions/default/${name}/${verb}`, after);
}

function rollback(world: World, random: Random): Change {
  const [revision, then] = pick([...world.history], random);
  const isTaken = (state: string | undefined) => state === 'suspended' || state === 'rejected';
  const states = Object.fromEntries(
    APPLICATIONS.map((name) => {
      const now = world.declared.states[name];
      return [name, isTaken(now) ? now : then.states[name]];
    }),
  ) as Declared['states'];
  const at = `/v1/revisions/${revision}/rollback`;
  return declaring(world, 'rollback', at, { ...then, states });
}

function create(world: World, random: Random): Change {
  const application = pick(APPLICATIONS, random);
  const once = unique(random);
  const act = () => world.host.ask('POST', '/v1/credentials', { application }, once);
  const acknowledged = (answer: Answer) => {
    world.saw(answer.revision, answer.replayed === true ? undefined : 'Credential');
    const key = answer.key ?? undefined;
    world.keys.set(answer.id, { application, key, state: 'enabled', isEnded: false });
  };
  return { name: 'create', act, acknowledged, settle: again(act, acknowledged) };
}

/** Asks once more with the same idempotency key: that makes a change that was lost, once. */
function again(act: Change['act'], acknowledged: Change['acknowledged']): Change['settle'] {
  return async () => {
    const answer = await act();
    assert.ok(answer !== undefined);
    acknowledged(answer);
  };
}

function changeKey(world: World, random: Random): Change {
  const found = living(world, random);
  if (found === undefined) return create(world, random);
  const [id, held] = found;
  const verb = pick(['disable', 'enable', 'disable', 'enable', 'revoke', 'expire'], random);
  const take = (answer: Answer) =>
    world.keys.set(id, { ...held, state: answer.state, isEnded: isEnded(answer) });
  return {
    name: verb,
    act: () => world.host.ask('POST', `/v1/credentials/${id}/${verb}`),
    acknowledged: (answer) => {
      world.saw(answer.revision, answer.changed === true ? 'Credential' : undefined);
      take(answer);
      assert.ok(isDone(verb, world.keys.get(id)), `${verb} is done once it is answered`);
    },
    settle: async () => {
      const now = await world.host.get(`/v1/credentials/${id}`);
      const isAsBefore = now.state === held.state && isEnded(now) === held.isEnded;
      take(now);
      assert.ok(isAsBefore || isDone(verb, world.keys.get(id)), `${verb} is made or not`);
    },
  };
}

function isDone(verb: string, key: HeldKey | undefined): boolean {
  if (verb === 'expire') return key?.isEnded === true;
  return key?.state === { disable: 'disabled', enable: 'enabled', revoke: 'revoked' }[verb];
}

function rotate(world: World, random: Random): Change {
  const found = living(world, random);
  if (found === undefined) return create(world, random);
  const [id, held] = found;
  const overlapSeconds = random() < 0.5 ? 0 : 3_600;
  const take = (before: Answer, made: Answer) => {
    world.keys.set(id, { ...held, isEnded: isEnded(before) });
    const key = made.key ?? undefined;
    const { application } = held;
    world.keys.set(made.id, { application, key, state: 'enabled', isEnded: false });
  };
  return {
    name: 'rotate',
    act: () => world.host.ask('POST', `/v1/credentials/${id}/rotate`, { overlapSeconds }),
    acknowledged: (answer) => {
      world.saw(answer.revision, 'Credential');
      take(answer.before, answer);
      assert.equal(isEnded(answer.before), held.isEnded || overlapSeconds === 0);
    },
    settle: async () => {
      const all = await world.credentials();
      const [made, ...more] = [...all].filter(([each]) => !world.keys.has(each));
      const before = all.get(id) ?? {};
      assert.deepEqual(more, [], 'a rotation makes one key');
      if (made === undefined) assert.equal(isEnded(before as Answer), held.isEnded);
      else {
        assert.notEqual(before.notAfter, null, 'the key before ends with the one after it');
        take(before, made[1]);
      }
    },
  };
}

/** A credential that can change. */
function living(world: World, random: Random): [number, HeldKey] | undefined {
  const all = [...world.keys].filter(([, { state }]) => state !== 'revoked');
  return all.length === 0 ? undefined : pick(all, random);
}

function topUp(world: World, random: Random): Change {
  const application = pick(APPLICATIONS, random);
  const units = 1 + Math.floor(random() * 100);
  const isReset = random() < 0.3;
  const { day } = world;
  const body = isReset ? { limit: 'daily', reset: true } : { limit: 'daily', add: units };
  const held = world.extras.get(application);
  const before = held?.day === day ? held.units : 0;
  const once = unique(random);
  const at = `/v1/subscriptions/default/${application}/quota`;
  const act = () => world.host.ask('POST', at, body, once);
  const acknowledged = ({ extra }: Answer) => {
    if (world.day !== day) return void world.extras.delete(application);
    if (isReset) assert.ok(extra >= before, 'a reset takes nothing away');
    else assert.equal(extra, before + units, 'it is added once, however often it was asked');
    world.extras.set(application, { units: extra, day });
  };
  return { name: 'quota', act, acknowledged, settle: again(act, acknowledged) };
}

const KINDS: readonly Make[] = [
  ...[plan, batch, prune, decide, decide, rollback, create, create],
  ...[changeKey, changeKey, rotate, topUp, topUp],
];

/**
 * What the rig needs of a machine, said before anything is built or started.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { CACHE, missing } from './cache.ts';

const PROGRAMS: Readonly<Record<string, string>> = {
  curl: 'curl',
  etcd: 'etcd-server',
  ip: 'iproute2',
  iptables: 'iptables',
  openssl: 'openssl',
  setpriv: 'util-linux',
  sysctl: 'procps',
  unshare: 'util-linux',
};

const GIGABYTES = 12;

/** Says what is needed and what will take long; answers what is not there, in sentences. */
export function checkNeeds(say: (line: string) => void): string[] {
  const { names, minutes } = missing();
  say('Needs Linux, root, network namespaces, 2 GB of memory; takes five minutes once built.');
  if (names.length > 0) {
    say(`To be built into ${CACHE}: ${names.join(', ')}.`);
    say(`That takes Go, the network, ${GIGABYTES} GB of disk, and once, on two idle cores,`);
    say(`about ${minutes} minutes.`);
  }
  const lacks: string[] = [];
  if (process.platform !== 'linux') lacks.push('This is not Linux.');
  if (process.getuid?.() !== 0) lacks.push('This is not root, which network namespaces need.');
  if (names.length > 0 && !onPath('go'))
    lacks.push('Go is not on the PATH: install 1.25 or newer.');
  const packages = Object.entries(PROGRAMS).flatMap(([name, of]) => (onPath(name) ? [] : [of]));
  if (packages.length > 0) {
    lacks.push(`Programs are missing: apt-get install ${[...new Set(packages)].join(' ')}`);
  }
  return lacks;
}

/** Whether a program is there. */
export function onPath(name: string): boolean {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.some((folder) => existsSync(path.join(folder, name)));
}

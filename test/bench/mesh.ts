/**
 * The mesh that the results page speaks of, in virtual time: prints what came out as one line of
 * JSON. A process of its own, because it needs more memory than the bench may have.
 */
import { type MeshScenario, simulateMesh } from '../simulation/mesh.ts';
import { seed } from '../support/seed.ts';

/** A window of eight seconds, and enough of the next to see it begin. */
const MESH: MeshScenario = {
  ...{ seed, proxies: 10_000, applications: 100_000, requestsPerSecond: 1_000_000 },
  ...{ windowSeconds: 8, seconds: 10, loss: 0.001, cutOff: [2, 7], deathAt: 3, restartAt: 4 },
};

const { proxies, applications, requestsPerSecond, seconds } = MESH;
const outcome = simulateMesh(MESH);
const peakBytes = process.resourceUsage().maxRSS * 1024;
const sizes = { seed, proxies, applications, requestsPerSecond, seconds };
process.stdout.write(`${JSON.stringify({ ...sizes, ...outcome, peakBytes })}\n`);

/**
 * Clients that come just when it hurts: the nemesis says where. What they ask for is what anybody
 * may ask; only the moment is not left to chance.
 */
import { instanceOfLease } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Bench, Workload } from './workload.ts'

export class Pressure {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  /**
   * A leader that may be deposed without knowing is read from, while others write elsewhere: what it
   * answers must not be from before what they were told (scenarios 39 to 42).
   */
  besiege(node: SimNode, ms: number): void {
    const untilMs = this.#bench.world.nowMs + ms
    this.#workload.run(this.#read(node, untilMs))
    this.#workload.run(this.#write(node, untilMs))
  }

  async #read(node: SimNode, untilMs: number): Promise<void> {
    const { world, chance } = this.#bench
    while (world.nowMs < untilMs && !this.#workload.isStopped) {
      const consistency = chance.pick(['lease', 'linearizable'] as const)
      const timeoutMs = Math.max(1, untilMs - world.nowMs)
      // Several at once: one that has to wait for a round must not keep the next one from asking.
      this.#workload.run(
        this.#workload.readConfig(node, 'k1', { consistency, timeoutMs }).then(() => {}),
      )
      await world.sleep(chance.ms(10, 40))
    }
  }

  async #write(besieged: SimNode, untilMs: number): Promise<void> {
    const { world, chance, nodes } = this.#bench
    const others = nodes.filter((node) => node !== besieged)
    if (others.length === 0) return
    while (world.nowMs < untilMs && !this.#workload.isStopped) {
      const command = this.#workload.putCommand('siege', 'k1', null)
      await this.#workload.write(chance.pick(others), command, 200)
      await world.sleep(chance.ms(5, 30))
    }
  }

  /** An instance whose lease the log calls suspect just now; null: there is none. */
  get suspect(): string | null {
    const { history } = this.#bench
    const leases = history.model.leases(history.last)
    const found = leases.find(({ id, suspectMs, lapsed }) => {
      return suspectMs !== null && !lapsed && instanceOfLease(id) !== null
    })
    return found?.id ?? null
  }

  /** It beats once more, there, and is not heard of again for long (DESIGN §5.3). */
  beatOnceMore(node: SimNode, lease: string): void {
    this.#workload.silence(lease)
    this.#workload.run(this.#workload.beat(lease, node).then(() => {}))
  }
}

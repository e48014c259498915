import type { Logger } from '../../base/logger.ts';
import { errorMessage } from '../../base/errors.ts';
import { answerSidechannel, openSidechannel } from '../wire/sidechannel.ts';
import { splice } from '../wire/splice.ts';
import type { Clock } from '../../base/clock.ts';
import type { SidechannelStream } from '../wire/backchannel.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';

/** A sidechannel that a call has offered to a storage. */
export interface OfferedSidechannel {
  /** The id that the storage is given. */
  readonly id: bigint;
  /** Whether the storage has opened it. From then on the call cannot be tried elsewhere. */
  readonly used: boolean;
  /** Resolves when nothing is under way any more; with the reason if the relay failed. */
  finished(): Promise<string | undefined>;
  /** Withdraws the offer and breaks off what is under way. */
  cancel(): void;
}

interface Offer {
  readonly mux: YamuxSession;
  readonly clientId: bigint;
  relay: Promise<string | undefined> | undefined;
  upstream: SidechannelStream | undefined;
}

/**
 * Joins the sidechannels that storages open to those of the clients that wait for them. The bytes
 * pass unchanged: the framing is the same on both legs.
 */
export class SidechannelRegistry {
  readonly #offers = new Map<bigint, Offer>();
  readonly #clock: Clock;
  readonly #logger: Logger;
  #nextId = 1n;

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Offers the client's sidechannel `clientId` to a storage. */
  offer(mux: YamuxSession, clientId: bigint): OfferedSidechannel {
    const id = this.#nextId++;
    const offer: Offer = { mux, clientId, relay: undefined, upstream: undefined };
    this.#offers.set(id, offer);
    return {
      id,
      get used() {
        return offer.relay !== undefined;
      },
      finished: async () => {
        this.#offers.delete(id);
        return offer.relay;
      },
      cancel: () => {
        this.#offers.delete(id);
        offer.upstream?.destroy(new Error('the call was cancelled'));
      },
    };
  }

  /** A storage has opened a sidechannel. Unknown ids are refused: their call is over. */
  onOpened(id: bigint, upstream: SidechannelStream): void {
    const offer = this.#offers.get(id);
    this.#offers.delete(id);
    if (offer === undefined) {
      upstream.destroy(new Error(`nobody waits for sidechannel ${id}`));
      return;
    }
    offer.upstream = upstream;
    offer.relay = this.#relay(offer, upstream);
  }

  async #relay(offer: Offer, upstream: SidechannelStream): Promise<string | undefined> {
    try {
      const client = await openSidechannel(offer.mux, offer.clientId, { clock: this.#clock });
      answerSidechannel(upstream);
      const outcome = await splice(client, upstream);
      return outcome.kind === 'completed' ? undefined : outcome.reason;
    } catch (error) {
      this.#logger.debug({ err: error }, 'a sidechannel could not be relayed');
      upstream.destroy(error instanceof Error ? error : new Error(errorMessage(error)));
      return errorMessage(error);
    }
  }
}

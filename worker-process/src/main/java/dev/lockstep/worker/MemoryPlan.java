// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.KvCapacity;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.IntToLongFunction;

/// The memory that the ranks of a host need and the limits that fit into it, decided before
/// anything is loaded. A default limit is lowered until it fits; a requested limit that does not
/// fit is refused with the settings that do.
///
/// @param lowered one line for each limit that is below its default
public record MemoryPlan(
        List<MemoryBill> ranks,
        KvCapacity kv,
        int maxModelLen,
        int maxNumSeqs,
        List<String> lowered) {

    /// Default of `--max-num-seqs`.
    public static final int DEFAULT_SEQUENCES = 64;

    private static final int SLACK = 20;

    private static final long KV_CEILING = 2L << 30;

    /// The number of sequences is lowered before their length falls below this many tokens.
    private static final int USEFUL_LENGTH = 512;

    public MemoryPlan {
        ranks = List.copyOf(ranks);
        lowered = List.copyOf(lowered);
    }

    /// The memory that one rank needs.
    ///
    /// @param positionBytes bytes of tables for each position that is served, such as those of
    ///   ropes, and of scratch memory for the longest sequence
    /// @param activations bytes of activations by the number of running sequences
    /// @param kvBytesPerToken bytes of KV per token; ranks divide the KV memory in proportion to it
    public record Rank(
            long weights, long positionBytes, IntToLongFunction activations, long kvBytesPerToken) {

        /// Creates the needs of a rank without tables.
        Rank(long weights, IntToLongFunction activations, long kvBytesPerToken) {
            this(weights, 0, activations, kvBytesPerToken);
        }

        /// Returns the bytes of weights, and of the tables of so many positions.
        private long weights(int positions) {
            return weights + positionBytes * positions;
        }

        /// Computes the needs of a rank from the model.
        ///
        /// @param maxTokens the largest number of tokens of a step
        public static Rank of(
                ModelSource source,
                Shard shard,
                long weights,
                ComputeTypes types,
                DeviceCapabilities capabilities,
                int maxTokens) {
            return new Rank(
                    weights,
                    source.positionBytes(shard)
                            + source.scratchBytesPerPosition(shard, capabilities),
                    sequences ->
                            source.activationBytes(
                                    shard, types, WorkerConfig.BLOCK_SIZE, maxTokens, sequences),
                    source.kvBytesPerToken(shard, types.kv()));
        }
    }

    /// The memory that a model needs.
    ///
    /// @param context tokens of its longest sequence
    /// @param states whether activations include the states of sequences and their snapshots
    public record Needs(int context, List<Rank> ranks, KvCapacity kv, boolean states) {
        public Needs {
            ranks = List.copyOf(ranks);
        }

        /// Creates the needs of a model without states.
        Needs(int context, List<Rank> ranks, KvCapacity kv) {
            this(context, ranks, kv, false);
        }

        public static Needs of(ModelSource source, List<Rank> ranks) {
            long bytesPerToken = ranks.stream().mapToLong(Rank::kvBytesPerToken).sum();
            return new Needs(
                    source.contextLength(),
                    ranks,
                    source.kvCapacity(WorkerConfig.BLOCK_SIZE, bytesPerToken),
                    source.config().stateGroup().isPresent());
        }

        private String activationsByName() {
            return states ? "activations and states" : "activations";
        }

        /// Returns the needs as if every rank needed as much as the largest one: what then fits
        /// into equal GPUs together fits into each.
        private Needs alike() {
            long weights = ranks.stream().mapToLong(Rank::weights).max().orElseThrow();
            long kvBytes = ranks.stream().mapToLong(Rank::kvBytesPerToken).max().orElseThrow();
            var largest =
                    new Rank(
                            weights,
                            ranks.stream().mapToLong(Rank::positionBytes).max().orElseThrow(),
                            sequences ->
                                    ranks.stream()
                                            .mapToLong(
                                                    rank ->
                                                            rank.activations()
                                                                    .applyAsLong(sequences))
                                            .max()
                                            .orElseThrow(),
                            kvBytes);
            return new Needs(
                    context,
                    Collections.nCopies(ranks.size(), largest),
                    kv.withBytesPerToken(kvBytes * ranks.size()),
                    states);
        }

        private long weights(int positions) {
            return ranks.stream().mapToLong(rank -> rank.weights(positions)).sum();
        }

        private long activations(int sequences) {
            return ranks.stream()
                    .mapToLong(rank -> rank.activations().applyAsLong(sequences))
                    .sum();
        }

        /// Returns the KV bytes for `sequences` sequences of this length, at least those for one.
        private long kvFor(int sequences, int length) {
            if (!kv.kept()) {
                return kv.bytesFor(length);
            }
            long blocks = Math.ceilDiv((long) length, kv.blockSize()) * sequences + 1;
            return Math.max(
                    kv.bytesFor(length),
                    Math.multiplyExact(kv.bytesPerToken() * kv.blockSize(), blocks));
        }
    }

    /// The limits that a user requested; an empty one takes its default.
    public record Asked(
            Optional<Integer> maxModelLen, Optional<Integer> maxNumSeqs, Optional<Long> kvMemory) {
        private static final Asked NOTHING =
                new Asked(Optional.empty(), Optional.empty(), Optional.empty());
    }

    /// The memory that ranks may use.
    ///
    /// @param onGpus whether it is memory of GPUs, whose rest nothing else needs
    private record Room(long bytes, boolean onGpus) {}

    /// Decides the limits of ranks on CPUs.
    ///
    /// @param available free bytes of the host
    /// @throws TooLittleMemoryException with the numbers and the settings that fit, if any do
    public static MemoryPlan of(Needs needs, Asked asked, long available) {
        return of(needs, asked, new Room(available, false));
    }

    /// Decides the limits of ranks that have a GPU each: KV blocks take what is left. A part of it
    /// is not planned with, since less may be left once the weights are loaded.
    ///
    /// @param available bytes that a rank may use of its GPU
    /// @throws TooLittleMemoryException with the numbers and the settings that fit, if any do
    public static MemoryPlan ofGpus(Needs needs, Asked asked, long available) {
        MemoryPlan plan =
                of(
                        needs.alike(),
                        asked,
                        new Room(needs.ranks().size() * (available - available / SLACK), true));
        return new MemoryPlan(
                plan.ranks(), needs.kv(), plan.maxModelLen(), plan.maxNumSeqs(), plan.lowered());
    }

    private static MemoryPlan of(Needs needs, Asked asked, Room memory) {
        long available = memory.bytes();
        int sequences = sequences(needs, asked, available);
        int wanted = asked.maxModelLen().orElse(needs.context());
        int positions = positions(needs, asked, memory, sequences);
        long room = room(needs, memory, positions, sequences);
        long kv = kv(needs, asked, memory, sequences, room);
        if (room < 0 || kv > room || (asked.kvMemory().isEmpty() && kv < minKv(needs, asked))) {
            throw tooMuch(needs, asked, memory, positions, sequences);
        }
        int holds = needs.kv().maxTokens(kv);
        if (holds < (asked.maxModelLen().isPresent() ? wanted : Math.min(2, wanted))) {
            throw tooLittleKv(needs, kv, holds, Math.max(2, asked.maxModelLen().orElse(2)));
        }
        List<String> lowered = new ArrayList<>();
        int length = Math.min(positions, holds);
        if (length < wanted) {
            String limit =
                    holds < wanted ? mebibytes(kv) + " of KV memory" : "the memory for rope tables";
            lowered.add(
                    "--max-model-len %,d to %,d: limited by %s".formatted(wanted, length, limit));
        }
        int running =
                asked.maxNumSeqs()
                        .orElseGet(
                                () ->
                                        (int)
                                                Math.min(
                                                        sequences,
                                                        Math.max(1, needs.kv().maxSequences(kv))));
        if (asked.maxNumSeqs().isEmpty() && running < DEFAULT_SEQUENCES) {
            lowered.add(
                    "--max-num-seqs %d to %d: %s"
                            .formatted(
                                    DEFAULT_SEQUENCES,
                                    running,
                                    running < sequences
                                            ? "limited by the KV blocks"
                                            : "limited by the memory for "
                                                    + needs.activationsByName()));
        }
        return new MemoryPlan(
                bills(needs, length, running, kv), needs.kv(), length, running, lowered);
    }

    /// Returns the KV memory of all ranks.
    public long kvBytes() {
        return ranks.stream().mapToLong(MemoryBill::kv).sum();
    }

    /// Returns the bytes that weights, the tables of so many positions, and activations leave.
    private static long room(Needs needs, Room memory, int positions, int sequences) {
        return memory.bytes() - needs.weights(positions) - needs.activations(sequences);
    }

    private static long kv(Needs needs, Asked asked, Room memory, int sequences, long room) {
        return asked.kvMemory()
                .orElseGet(
                        () ->
                                memory.onGpus()
                                        ? Math.max(0, room)
                                        : defaultKv(needs, asked, sequences, room, memory.bytes()));
    }

    /// Returns for how many positions there are tables: the requested length; without one, the
    /// longest that has room for both its tables and its KV memory.
    private static int positions(Needs needs, Asked asked, Room memory, int sequences) {
        int low = leastLength(needs, asked);
        int high = asked.maxModelLen().orElse(needs.context());
        while (low < high) {
            int middle = high - (high - low) / 2;
            long room = room(needs, memory, middle, sequences);
            long kv = kv(needs, asked, memory, sequences, room);
            if (kv <= room && needs.kv().maxTokens(kv) >= middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /// Returns the requested number of sequences; without one, halves the default until the
    /// smallest useful KV memory fits too.
    private static int sequences(Needs needs, Asked asked, long available) {
        int sequences = asked.maxNumSeqs().orElse(DEFAULT_SEQUENCES);
        long others =
                needs.weights(leastLength(needs, asked))
                        + asked.kvMemory().orElse(minKv(needs, asked));
        while (asked.maxNumSeqs().isEmpty()
                && sequences > 1
                && others + needs.activations(sequences) > available) {
            sequences /= 2;
        }
        return sequences;
    }

    /// Returns the smallest useful KV memory.
    private static long minKv(Needs needs, Asked asked) {
        return needs.kv().bytesFor(leastLength(needs, asked));
    }

    /// Returns the requested length; without one, the smallest useful one.
    private static int leastLength(Needs needs, Asked asked) {
        return asked.maxModelLen().orElse(Math.min(needs.context(), USEFUL_LENGTH));
    }

    /// Returns the default KV memory: the need of all sequences, at most half of the free memory,
    /// and at most 2 GiB or one sequence of the full length. A requested length, and the smallest
    /// useful one, may use all memory that weights and activations leave.
    private static long defaultKv(
            Needs needs, Asked asked, int sequences, long room, long available) {
        int length = asked.maxModelLen().orElse(needs.context());
        long max = Math.max(KV_CEILING, needs.kv().bytesFor(length));
        long half = Math.max(available / 2, minKv(needs, asked));
        return Math.min(
                Math.min(needs.kvFor(sequences, length), max), Math.max(0, Math.min(half, room)));
    }

    private static List<MemoryBill> bills(Needs needs, int length, int sequences, long kv) {
        List<MemoryBill> bills = new ArrayList<>();
        for (Rank rank : needs.ranks()) {
            bills.add(
                    new MemoryBill(
                            rank.weights(length),
                            kv / needs.kv().bytesPerToken() * rank.kvBytesPerToken(),
                            rank.activations().applyAsLong(sequences)));
        }
        return bills;
    }

    private static TooLittleMemoryException tooLittleKv(
            Needs needs, long kv, int holds, int length) {
        return new TooLittleMemoryException(
                "%s of KV memory hold a sequence of %,d tokens, --max-model-len is %,d: %s--kv-memory=%dK fits"
                        .formatted(
                                mebibytes(kv),
                                holds,
                                length,
                                holds < 2 ? "" : "--max-model-len=%d or ".formatted(holds),
                                Math.ceilDiv(needs.kv().bytesFor(length), 1024)));
    }

    private static TooLittleMemoryException tooMuch(
            Needs needs, Asked asked, Room memory, int positions, int sequences) {
        long kv = asked.kvMemory().orElse(minKv(needs, asked));
        String numbers =
                "weights take %s, %s of %d sequences %s, KV memory %s %s; %s %s"
                        .formatted(
                                mebibytes(needs.weights(positions)),
                                needs.activationsByName(),
                                sequences,
                                mebibytes(needs.activations(sequences)),
                                asked.kvMemory().isPresent() ? "is" : "at least",
                                mebibytes(kv),
                                mebibytes(Math.max(0, memory.bytes())),
                                memory.onGpus() ? "of GPU memory may be used" : "are free");
        if (asked.equals(Asked.NOTHING)) {
            return new TooLittleMemoryException(
                    numbers
                            + ": --max-model-len and --max-num-seqs cannot be lowered enough, use a smaller or more quantized model");
        }
        MemoryPlan fits;
        try {
            fits = of(needs, Asked.NOTHING, memory);
        } catch (TooLittleMemoryException e) {
            return e;
        }
        long fittingKv = Math.min(asked.kvMemory().orElse(Long.MAX_VALUE), fits.kvBytes());
        int length =
                Math.min(
                        Math.min(asked.maxModelLen().orElse(needs.context()), fits.maxModelLen()),
                        needs.kv().maxTokens(fittingKv));
        return new TooLittleMemoryException(
                "%s: --max-model-len=%d --max-num-seqs=%d%s would fit"
                        .formatted(
                                numbers,
                                length,
                                Math.min(sequences, fits.maxNumSeqs()),
                                asked.kvMemory().isEmpty() ? "" : " --kv-memory=" + fittingKv));
    }

    private static String mebibytes(long bytes) {
        return bytes < 10L << 20
                ? "%,d KiB".formatted(Math.ceilDiv(bytes, 1024))
                : "%,d MiB".formatted(bytes >> 20);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.INT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;

/// The token choice of one thread: from a row of processed logits to a token id. The result depends
/// only on the row and the slot, not on the thread, the preceding rows or the implementation.
final class TokenChooser implements AutoCloseable {
    // The first depth below the greatest, e^-8 of its likelihood; doubled until the ids within it
    // hold top_p of the mass.
    private static final double FIRST_DEPTH = 8;

    // Steeper than any two different floats need; infinity would give 0 · infinity for the
    // greatest.
    private static final double MAX_FACTOR = 1e38;

    private final SamplingOps ops;
    private final int vocabulary;
    private final GrowingMemory memory;
    private final long maxima;
    private final long ids;
    private final long copy;
    private final float[] sortedMaxima;
    private final int[] words = new int[4];
    private long[] candidates = new long[1024];

    TokenChooser(SamplingOps ops, CpuMemory memory, int vocabulary) {
        this.ops = ops;
        this.vocabulary = vocabulary;
        sortedMaxima = new float[SamplingOps.chunks(vocabulary)];
        this.memory = new GrowingMemory(memory);
        maxima = this.memory.atLeast(4L * (sortedMaxima.length + 2L * vocabulary));
        ids = maxima + 4L * sortedMaxima.length;
        copy = ids + 4L * vocabulary;
    }

    @Override
    public void close() {
        memory.close();
    }

    /// Returns memory for one row of logits.
    long copy() {
        return copy;
    }

    /// Replaces NaN and infinity in `logits`, and returns the greatest logit.
    float clean(long logits) {
        ops.clean(logits, vocabulary, maxima);
        float greatest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < sortedMaxima.length; i++) {
            greatest = Math.max(greatest, SEGMENT.get(FLOAT, maxima + i * 4L));
        }
        return greatest;
    }

    /// Returns the k most likely ids of the row that was cleaned last, best first, as keys for
    /// [#id]; fewer if fewer are above minus infinity.
    long[] top(long logits, int k) {
        if (k == 0) {
            return new long[0];
        }
        int found = sortCandidates(logits, atLeastOf(k));
        return Arrays.copyOf(candidates, Math.min(k, found));
    }

    static int id(long candidate) {
        return (int) candidate;
    }

    /// Chooses a token id from processed logits.
    int choose(long logits, SamplingSlot slot) {
        SamplingSettings settings = slot.settings();
        if (settings.temperature() == 0) {
            return ops.argMax(logits, vocabulary);
        }
        float greatest = clean(logits);
        if (greatest == Float.NEGATIVE_INFINITY) {
            return ops.argMax(logits, vocabulary);
        }
        double factor = 1.0 / settings.temperature();
        if (settings.topK() == 0
                && settings.topP() == 1
                && settings.minP() == 0
                && settings.typicalP() == 1) {
            return ops.draw(
                    logits,
                    vocabulary,
                    greatest,
                    ops.argMax(logits, vocabulary),
                    factor,
                    settings.seed(),
                    settings.choice(),
                    slot.position());
        }
        int kept = filter(logits, greatest, factor, settings);
        if (settings.typicalP() < 1) {
            kept = keepTypical(logits, kept, greatest, factor, settings.typicalP());
        }
        return draw(logits, greatest, factor, slot, kept);
    }

    /// Applies min-p, then top-k, then top-p; returns how many of the first [#candidates] remain.
    private int filter(long logits, float greatest, double factor, SamplingSettings settings) {
        if (settings.topK() == 0 && settings.minP() == 0 && settings.topP() < 1) {
            return nucleusOfAll(logits, greatest, factor, settings.topP());
        }
        double depth =
                settings.minP() == 0 ? Double.POSITIVE_INFINITY : -StrictMath.log(settings.minP());
        float limit = belowByDepth(greatest, depth / factor);
        int k = settings.topK() == 0 ? vocabulary : settings.topK();
        int kept = sortCandidates(logits, Math.max(limit, atLeastOf(k)));
        while (kept > 1 && ((double) greatest - logit(logits, kept - 1)) * factor > depth) {
            kept--;
        }
        kept = Math.min(kept, k);
        if (settings.topP() == 1) {
            return kept;
        }
        double mass = 0;
        for (int i = 0; i < kept; i++) {
            mass += likelihood(logits, i, greatest, factor);
        }
        return nucleus(logits, greatest, factor, kept, settings.topP() * mass);
    }

    /// Applies top-p alone: lowers the limit until the ids above it hold enough of the mass.
    private int nucleusOfAll(long logits, float greatest, double factor, double topP) {
        double mass =
                ops.exponentialSum(
                        logits, vocabulary, greatest, (float) Math.min(factor, MAX_FACTOR));
        for (double depth = FIRST_DEPTH; ; depth *= 2) {
            float limit =
                    depth > 200 ? Float.NEGATIVE_INFINITY : belowByDepth(greatest, depth / factor);
            int found = ops.collect(logits, vocabulary, limit, ids);
            if (found == vocabulary
                    || limit == Float.NEGATIVE_INFINITY
                    || massOf(logits, found, greatest, factor) >= topP * mass) {
                int kept = sortCandidates(logits, limit);
                return nucleus(logits, greatest, factor, kept, topP * mass);
            }
        }
    }

    private double massOf(long logits, int found, float greatest, double factor) {
        double mass = 0;
        for (int i = 0; i < found; i++) {
            float x = SEGMENT.get(FLOAT, logits + 4L * SEGMENT.get(INT, ids + i * 4L));
            mass += Exponential.of((float) (((double) x - greatest) * factor));
        }
        return mass;
    }

    /// Returns the length of the shortest prefix of the candidates that holds `mass`.
    private int nucleus(long logits, float greatest, double factor, int count, double mass) {
        double held = 0;
        for (int i = 0; i < count; i++) {
            held += likelihood(logits, i, greatest, factor);
            if (held >= mass) {
                return i + 1;
            }
        }
        return count;
    }

    /// Keeps the fewest of the first `count` candidates that hold the mass `typicalP`, those first
    /// whose information content -log p is closest to the entropy of the distribution; of equals
    /// the more likely. Moves them to the front, in their old order, and returns their number.
    private int keepTypical(
            long logits, int count, float greatest, double factor, double typicalP) {
        double[] weights = new double[count];
        double mass = 0;
        double expected = 0;
        for (int i = 0; i < count; i++) {
            double score = ((double) logit(logits, i) - greatest) * factor;
            weights[i] = likelihood(logits, i, greatest, factor);
            mass += weights[i];
            expected += weights[i] * (weights[i] == 0 ? 0 : score);
        }
        // -log p - H = (log mass - score) - (log mass - expected / mass)
        double mean = expected / mass;
        long[] order = new long[count];
        for (int i = 0; i < count; i++) {
            double score = ((double) logit(logits, i) - greatest) * factor;
            float distance = (float) Math.abs(mean - score);
            order[i] = (long) Float.floatToRawIntBits(distance) << 32 | i;
        }
        Arrays.sort(order);
        int kept = 0;
        double held = 0;
        while (kept < count && held < typicalP * mass) {
            held += weights[(int) order[kept++]];
        }
        long[] old = Arrays.copyOf(candidates, count);
        int[] places =
                Arrays.stream(order, 0, kept).mapToInt(each -> (int) each).sorted().toArray();
        for (int i = 0; i < kept; i++) {
            candidates[i] = old[places[i]];
        }
        return kept;
    }

    private int draw(long logits, float greatest, double factor, SamplingSlot slot, int kept) {
        SamplingSettings settings = slot.settings();
        int best = id(candidates[0]);
        if (kept == 1) {
            return best;
        }
        double bestScore = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < kept; i++) {
            int id = id(candidates[i]);
            double noise =
                    Gumbel.noise(settings.seed(), settings.choice(), slot.position(), id, words);
            double score = ((double) logit(logits, i) - greatest) * factor + noise;
            if (score > bestScore || (score == bestScore && id < best)) {
                bestScore = score;
                best = id;
            }
        }
        return best;
    }

    /// Collects the ids whose logits are at least `limit`, and sorts them: greatest logit first,
    /// lowest id first among ties. Ids at minus infinity are omitted.
    private int sortCandidates(long logits, float limit) {
        int found = ops.collect(logits, vocabulary, Math.max(limit, -Float.MAX_VALUE), ids);
        if (candidates.length < found) {
            candidates = new long[Math.min(vocabulary, 2 * found)];
        }
        for (int i = 0; i < found; i++) {
            int id = SEGMENT.get(INT, ids + i * 4L);
            candidates[i] = key(SEGMENT.get(FLOAT, logits + id * 4L), id);
        }
        Arrays.sort(candidates, 0, found);
        return found;
    }

    /// Returns a bound that at least `k` logits of the row cleaned last reach, since k chunks have
    /// such a logit.
    private float atLeastOf(int k) {
        if (k > sortedMaxima.length) {
            return Float.NEGATIVE_INFINITY;
        }
        for (int i = 0; i < sortedMaxima.length; i++) {
            sortedMaxima[i] = SEGMENT.get(FLOAT, maxima + i * 4L);
        }
        Arrays.sort(sortedMaxima);
        return sortedMaxima[sortedMaxima.length - k];
    }

    private float logit(long logits, int candidate) {
        return SEGMENT.get(FLOAT, logits + 4L * id(candidates[candidate]));
    }

    private float likelihood(long logits, int candidate, float greatest, double factor) {
        return Exponential.of((float) (((double) logit(logits, candidate) - greatest) * factor));
    }

    /// Returns a float not above `greatest - depth`.
    private static float belowByDepth(float greatest, double depth) {
        return Math.nextDown((float) (greatest - depth));
    }

    /// Returns a key that orders by descending logit, then by ascending id.
    private static long key(float logit, int id) {
        // Adding zero makes -0 and 0 equal, as they compare.
        int bits = Float.floatToRawIntBits(logit + 0.0f);
        int ordered = bits ^ ((bits >> 31) & 0x7fffffff);
        return ((long) ~ordered << 32) | id;
    }
}

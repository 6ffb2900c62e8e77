// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/// Times that the clients of a benchmark measure, in nanoseconds, each array ascending.
///
/// @param firstNanos from each served request to its first token
/// @param gapNanos between consecutive tokens, of all served requests
/// @param refusalNanos from each refused request to its status 429
/// @param wallNanos the whole run
record BenchReport(long[] firstNanos, long[] gapNanos, long[] refusalNanos, long wallNanos) {

    static BenchReport of(List<ServeBench.Outcome> outcomes, long wallNanos) {
        List<ServeBench.Served> served = only(ServeBench.Served.class, outcomes).toList();
        return new BenchReport(
                sorted(served.stream().mapToLong(ServeBench.Served::first)),
                sorted(served.stream().flatMap(each -> each.gaps().stream()).mapToLong(gap -> gap)),
                sorted(
                        only(ServeBench.Refused.class, outcomes)
                                .mapToLong(ServeBench.Refused::nanos)),
                wallNanos);
    }

    private static <T> Stream<T> only(Class<T> type, List<ServeBench.Outcome> outcomes) {
        return outcomes.stream().filter(type::isInstance).map(type::cast);
    }

    private static long[] sorted(LongStream nanos) {
        return nanos.sorted().toArray();
    }

    /// Formats percentiles in milliseconds, and tokens per second of the served requests.
    String text(ServeBench.Load load) {
        double seconds = wallNanos / 1e9;
        long output = (long) firstNanos.length * load.outputLength();
        long prompt = (long) firstNanos.length * (load.sharedLength() + load.promptLength());
        String text =
                """
                %d requests, %s, prompt %d + %d, output %d tokens, %.1f s
                  time to first token   %s
                  inter-token latency   %s
                  output                %.1f tokens/s
                  prompt and output     %.1f tokens/s
                """
                        .formatted(
                                load.requests(),
                                load.rate() == 0
                                        ? load.concurrency() + " at once"
                                        : load.rate() + " a second",
                                load.sharedLength(),
                                load.promptLength(),
                                load.outputLength(),
                                seconds,
                                percentiles(firstNanos),
                                percentiles(gapNanos),
                                output / seconds,
                                (output + prompt) / seconds);
        return refusalNanos.length == 0
                ? text
                : text
                        + "  refused               %d, after %s%n"
                                .formatted(refusalNanos.length, percentiles(refusalNanos));
    }

    private static String percentiles(long[] sorted) {
        if (sorted.length == 0) {
            return "none";
        }
        double mean = Arrays.stream(sorted).average().orElse(0) / 1e6;
        return "mean %.1f, p50 %.1f, p99 %.1f ms"
                .formatted(mean, at(sorted, 0.50), at(sorted, 0.99));
    }

    /// Returns the nearest-rank percentile in milliseconds: the minimum value that at least `share`
    /// of all values do not exceed.
    private static double at(long[] sorted, double share) {
        return sorted[(int) Math.ceil(sorted.length * share) - 1] / 1e6;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Something that ranks computed and that is wrong without an error, or an answer that they owe.
///
/// @param suspects the ranks that may have computed it; none of them computes on
record WrongResult(List<Integer> suspects, String reason) {
    WrongResult {
        suspects = List.copyOf(suspects);
        if (suspects.isEmpty()) {
            throw new IllegalArgumentException("a wrong result of no rank");
        }
    }

    /// Returns the ranks whose checksum differs from that of more than half of all ranks; without
    /// such a majority, as always with two ranks, all of them.
    static Optional<WrongResult> ofChecksums(String what, List<Integer> checksums) {
        Map<Integer, Integer> votes = new HashMap<>();
        checksums.forEach(each -> votes.merge(each, 1, Integer::sum));
        if (votes.size() < 2) {
            return Optional.empty();
        }
        int most = Collections.max(votes.entrySet(), Map.Entry.comparingByValue()).getKey();
        boolean majority = 2 * votes.getOrDefault(most, 0) > checksums.size();
        List<Integer> suspects =
                IntStream.range(0, checksums.size())
                        .filter(rank -> !majority || checksums.get(rank) != most)
                        .boxed()
                        .toList();
        String values = checksums.stream().map("%08x"::formatted).collect(Collectors.joining(", "));
        return Optional.of(
                new WrongResult(
                        suspects,
                        majority
                                ? "%s differs from that of most ranks in %s: %s"
                                        .formatted(what, names(suspects), values)
                                : "%s differs between ranks, of which any may be wrong: %s"
                                        .formatted(what, values)));
    }

    /// Returns what is wrong in an answer; empty if it is as known. A wrong part of a sum reaches
    /// all ranks, so that all are suspect where they agree.
    ///
    /// @param known an earlier answer of the same epoch
    static Optional<WrongResult> ofCanary(CanaryAnswer known, CanaryAnswer found) {
        Optional<WrongResult> differs =
                ofChecksums("the checksum of a canary step", found.checksums());
        if (differs.isPresent()) {
            return differs;
        }
        if (found.token() != known.token()) {
            return Optional.of(
                    ofAll(
                            found,
                            "a canary step gave token %d, known is %d"
                                    .formatted(found.token(), known.token())));
        }
        return found.repeats() && !found.checksums().equals(known.checksums())
                ? Optional.of(
                        ofAll(
                                found,
                                "a canary step gave other bits than the first of its epoch: %08x, known is %08x"
                                        .formatted(
                                                found.checksums().getFirst(),
                                                known.checksums().getFirst())))
                : Optional.empty();
    }

    static WrongResult ofAll(CanaryAnswer found, String reason) {
        return new WrongResult(
                IntStream.range(0, found.checksums().size()).boxed().toList(), reason);
    }

    /// Returns "rank 1" or "ranks 0, 1".
    String names() {
        return names(suspects);
    }

    private static String names(List<Integer> ranks) {
        return (ranks.size() == 1 ? "rank " : "ranks ")
                + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}

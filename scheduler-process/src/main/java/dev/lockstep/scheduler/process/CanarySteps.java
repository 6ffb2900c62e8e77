// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.Canary;
import dev.lockstep.proto.v1.CanaryResult;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The canary steps of an epoch, numbered apart from the other steps, at most one outstanding.
/// [WorkerGroup] guards it.
final class CanarySteps {
    private final long epoch;
    private final long[] answered;
    private final Canary[] answers;
    private CanaryAnswer known = new CanaryAnswer(0, List.of(), false);
    private long sent;

    CanarySteps(long epoch, int ranks) {
        this.epoch = epoch;
        this.answered = new long[ranks];
        this.answers = new Canary[ranks];
        Arrays.fill(answers, Canary.getDefaultInstance());
    }

    /// Takes over what the canary step of the formation found, with which later ones are compared.
    void expect(CanaryAnswer found) {
        known = found;
    }

    /// Returns the number of the next one, unless one is outstanding.
    Optional<Long> next() {
        if (good() < sent) {
            return Optional.empty();
        }
        sent++;
        return Optional.of(sent);
    }

    /// Returns the number of those that found what is known.
    long good() {
        return Arrays.stream(answered).min().orElse(0);
    }

    /// Returns the ranks that owe an answer.
    List<Integer> owing() {
        return IntStream.range(0, answered.length)
                .filter(rank -> answered[rank] < sent)
                .boxed()
                .toList();
    }

    boolean isExpected(int rank, CanaryResult result) {
        return result.getEpoch() == epoch
                && result.getNumber() == answered[rank] + 1
                && result.getNumber() <= sent;
    }

    /// Takes an expected answer. The last rank's answer to a step shows whether all are right; it
    /// does not count if they are not.
    Optional<WrongResult> answered(int rank, CanaryResult result) {
        answers[rank] = result.getCanary();
        Optional<WrongResult> wrong =
                owing().equals(List.of(rank))
                        ? WrongResult.ofCanary(known, found())
                        : Optional.empty();
        if (wrong.isEmpty()) {
            answered[rank]++;
        }
        return wrong;
    }

    private CanaryAnswer found() {
        return new CanaryAnswer(
                answers[0].getToken(),
                Arrays.stream(answers).map(Canary::getChecksum).toList(),
                known.repeats());
    }
}

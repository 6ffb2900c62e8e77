// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.StepResult;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;

/// A rank of an epoch, as far as its scheduler knows: what it has answered, and when it was heard.
/// [WorkerGroup] guards it.
final class GroupRank {
    final int number;
    final Member member;
    final RankStream stream;
    final CompletableFuture<Joined> joined = new CompletableFuture<>();
    final CompletableFuture<Formed> formed = new CompletableFuture<>();

    // Of the steps that this rank has answered and others have not.
    private final ArrayDeque<OptionalInt> checksums = new ArrayDeque<>();
    private long answered;
    private long receivedNanos;
    private long progress;
    private long progressNanos;

    GroupRank(int number, Member member, RankStream stream, long nanos) {
        this.number = number;
        this.member = member;
        this.stream = stream;
        this.receivedNanos = nanos;
    }

    String name() {
        return "rank " + number + " (" + member.describe() + ", process " + member.pid() + ")";
    }

    /// Returns the last step that it has answered.
    long answered() {
        return answered;
    }

    /// Notes that it was heard.
    void received(long nanos) {
        receivedNanos = nanos;
    }

    /// Notes that it gets work, after a time without any.
    void begins(long nanos) {
        progressNanos = nanos;
    }

    boolean isSilent(long nanos, Duration limit) {
        return nanos - receivedNanos > limit.toNanos();
    }

    boolean isStuck(long nanos, Duration limit) {
        return nanos - progressNanos > limit.toNanos();
    }

    /// Takes the count of finished ops that its heartbeat brings.
    void progressed(long ops) {
        if (ops != progress) {
            progress = ops;
            progressNanos = receivedNanos;
        }
    }

    /// Notes an answer other than that of a step.
    void progressed() {
        progressNanos = receivedNanos;
    }

    /// Returns why an answer to a Join is refused.
    Optional<String> joins(long epoch, Joined answer) {
        if (answer.getEpoch() != epoch) {
            return Optional.of("joined epoch " + answer.getEpoch() + ", expected " + epoch);
        }
        if (!answer.getIncarnation().equals(member.incarnation())) {
            return Optional.of(
                    "is incarnation "
                            + answer.getIncarnation()
                            + ", the announced one is "
                            + member.incarnation());
        }
        joined.complete(answer);
        return Optional.empty();
    }

    /// Returns why an answer to a step is refused.
    ///
    /// @param sent the last step that was sent
    Optional<String> answers(long epoch, long sent, StepResult result) {
        if (result.getEpoch() != epoch
                || result.getNumber() != answered + 1
                || result.getNumber() > sent) {
            return Optional.of(
                    "answered step %d of epoch %d, expected %d of %d"
                            .formatted(result.getNumber(), result.getEpoch(), answered + 1, epoch));
        }
        answered++;
        progressNanos = receivedNanos;
        checksums.add(
                result.hasChecksum() ? OptionalInt.of(result.getChecksum()) : OptionalInt.empty());
        return Optional.empty();
    }

    /// Returns the checksum of the oldest step that not all ranks have answered, where it has one.
    OptionalInt oldestChecksum() {
        return checksums.element();
    }

    void removeOldestChecksum() {
        checksums.remove();
    }
}

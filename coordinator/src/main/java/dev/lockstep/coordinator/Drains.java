// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Member;
import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import dev.lockstep.proto.v1.GroupStatus;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;

/// Takes groups and this coordinator out of service for their operator, and brings them back.
final class Drains {
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    private final SchedulerClient schedulers;
    private final Readiness readiness;
    private final OpenRequests requests;
    private final ClientConnections connections;
    private final String incarnation;

    /// What a target is.
    private sealed interface Drained {
        record OfGroup(GroupView view) implements Drained {}

        record OfThisCoordinator() implements Drained {}
    }

    /// @param incarnation of this coordinator
    Drains(
            SchedulerClient schedulers,
            Readiness readiness,
            OpenRequests requests,
            ClientConnections connections,
            String incarnation) {
        this.schedulers = schedulers;
        this.readiness = readiness;
        this.requests = requests;
        this.connections = connections;
        this.incarnation = incarnation;
    }

    /// Starts or ends a drain; blocks.
    DrainState set(DrainTarget target, boolean wanted) {
        return switch (find(target)) {
            case Drained.OfGroup(GroupView view) -> {
                schedulers.setDraining(view.id(), wanted, TIMEOUT);
                // The next status of the group says what is open.
                yield state(wanted, open(view.status()), false);
            }
            case Drained.OfThisCoordinator _ -> {
                if (wanted) {
                    connections.leave();
                } else {
                    connections.stay();
                }
                readiness.drain(wanted);
                yield state(wanted, requests.count(), wanted && requests.count() == 0);
            }
        };
    }

    DrainState status(DrainTarget target) {
        return switch (find(target)) {
            case Drained.OfGroup(GroupView view) -> {
                GroupStatus status = view.status();
                boolean draining = status.getDraining();
                yield state(draining, open(status), draining && open(status) == 0);
            }
            case Drained.OfThisCoordinator _ -> {
                boolean draining = readiness.isDrained();
                yield state(draining, requests.count(), draining && requests.count() == 0);
            }
        };
    }

    private static DrainState state(boolean draining, int open, boolean drained) {
        return DrainState.newBuilder()
                .setDraining(draining)
                .setOpen(open)
                .setDrained(drained)
                .build();
    }

    private static int open(GroupStatus status) {
        return status.getRunning() + status.getWaiting();
    }

    private Drained find(DrainTarget target) {
        return switch (target.getTargetCase()) {
            case GROUP -> new Drained.OfGroup(LedGroup.named(schedulers, target.getGroup()));
            case MEMBER -> member(target.getMember());
            case TARGET_NOT_SET ->
                    throw refused(Status.INVALID_ARGUMENT, "name a group or a member");
        };
    }

    private Drained member(String address) {
        Member member =
                schedulers.members().members().stream()
                        .filter(each -> each.address().toString().equals(address))
                        .findFirst()
                        .orElseThrow(
                                () ->
                                        refused(
                                                Status.NOT_FOUND,
                                                "no member is at " + Json.quoted(address)));
        if (member.role() != Member.Role.COORDINATOR) {
            return new Drained.OfGroup(LedGroup.named(schedulers, member.group()));
        }
        if (!member.incarnation().equals(incarnation)) {
            throw refused(
                    Status.FAILED_PRECONDITION,
                    "another coordinator is at " + address + ": ask that one");
        }
        return new Drained.OfThisCoordinator();
    }

    private static StatusRuntimeException refused(Status status, String why) {
        return status.withDescription(why).asRuntimeException();
    }
}

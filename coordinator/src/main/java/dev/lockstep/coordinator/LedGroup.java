// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import io.grpc.Status;

/// A group that an operator names, with a scheduler that answers.
final class LedGroup {
    private LedGroup() {}

    /// @throws io.grpc.StatusRuntimeException for the operator, when there is none
    static GroupView named(SchedulerClient schedulers, String name) {
        GroupView view =
                GroupView.byGroup(schedulers.groups()).stream()
                        .filter(each -> each.status().getGroup().equals(name))
                        .findFirst()
                        .orElseThrow(
                                () ->
                                        Status.NOT_FOUND
                                                .withDescription(
                                                        "no group is named " + Json.quoted(name))
                                                .asRuntimeException());
        if (!view.alive()) {
            throw Status.UNAVAILABLE
                    .withDescription("the scheduler of group " + name + " does not answer")
                    .asRuntimeException();
        }
        return view;
    }
}

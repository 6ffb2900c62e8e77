// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Scheduling options of tests: no deadline, the cache domain that all share, ordinary retention.
final class TestOptions {
    private TestOptions() {}

    static SchedulingOptions options(String tenant, int priority, boolean guaranteed) {
        return new SchedulingOptions(
                tenant,
                priority,
                guaranteed,
                SchedulingOptions.NO_DEADLINE,
                SchedulingOptions.Domain.COMMON,
                35,
                0);
    }
}

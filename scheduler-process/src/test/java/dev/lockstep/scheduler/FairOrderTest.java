// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests which tenants hurry because they have few sequences running; [PolicyTest] tests the order
/// of turns.
class FairOrderTest {
    private final FairOrder order = new FairOrder();
    private long arrivals;

    private Sequence start(String tenant) {
        SchedulingOptions options = TestOptions.options(tenant, 0, false);
        var sequence =
                new Sequence(
                        arrivals,
                        "r" + arrivals++,
                        new int[4],
                        Choice.of(4),
                        WantedOutputs.NONE,
                        options,
                        Optional.empty(),
                        1);
        order.add(sequence);
        order.remove(sequence);
        order.admitted(sequence, 0);
        return sequence;
    }

    @Test
    void aTenantHurriesWhileItRunsLessThanHalfAsManyAsAnother() {
        assertFalse(order.wantsShortSteps());
        Sequence quiet = start("quiet");
        start("loud");
        Sequence loud = start("loud");
        assertFalse(order.wantsShortSteps() || order.hurries(quiet), "1 of 2 is half");
        Sequence third = start("loud");
        assertTrue(order.wantsShortSteps() && order.hurries(quiet), "1 of 3");
        assertFalse(order.hurries(loud));
        order.left(third);
        assertFalse(order.wantsShortSteps() || order.hurries(quiet), "2 are left");
        start("loud");
        assertTrue(order.wantsShortSteps() && order.hurries(quiet), "3 again");
        start("quiet");
        assertFalse(order.wantsShortSteps() || order.hurries(quiet), "2 of 3");
    }
}

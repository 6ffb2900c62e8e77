// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.coordinator.engine.CallFacts;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class CoordinatorFactsTest {
    @Test
    void aRequestIsShownWithItsCallWhileItIsOpen() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
            // A busy machine may miss a heartbeat in between.
            Eventually.await(
                    "its group is ready",
                    () -> {
                        CoordinatorFacts.GroupFacts group = group(tiny);
                        return group.alive() && group.ready() && obstacle(tiny).isEmpty();
                    });
            assertEquals("default", group(tiny).group());
            assertEquals(List.of(), tiny.coordinator.facts().openRequests());
            var seen = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.accept();
                        call.tokens(0, 5, 6);
                        seen.await();
                        call.finishByLength(0);
                    });
            Future<JsonNode> answer = client.submit(() -> tiny.chat(""));
            Eventually.await("two tokens have come", () -> tokens(tiny) == 2);
            CallFacts call = tiny.coordinator.facts().openRequests().getFirst().getFirst();
            assertEquals(CallFacts.Phase.ACCEPTED, call.phase());
            assertEquals(group(tiny).scheduler(), call.scheduler());
            assertFalse(call.request().isEmpty());
            seen.countDown();
            assertFalse(answer.get().isEmpty());
            Eventually.await(
                    "the request is over", () -> tiny.coordinator.facts().openRequests().isEmpty());
        }
    }

    private static CoordinatorFacts.GroupFacts group(TestCoordinator tiny) {
        return tiny.coordinator.facts().groups().getFirst();
    }

    private static String obstacle(TestCoordinator tiny) {
        return tiny.coordinator.facts().obstacle();
    }

    private static int tokens(TestCoordinator tiny) {
        return tiny.coordinator.facts().openRequests().stream()
                .flatMap(List::stream)
                .mapToInt(CallFacts::tokens)
                .sum();
    }
}

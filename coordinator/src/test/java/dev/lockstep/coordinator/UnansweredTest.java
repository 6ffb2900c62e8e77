// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FaultProxy;
import dev.lockstep.cluster.FaultProxy.Direction;
import dev.lockstep.cluster.Member;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// A scheduler that neither accepts nor refuses a request, although its heartbeats arrive, is given
/// up.
final class UnansweredTest {
    private static final Duration NEVER = TestCoordinator.NEVER;
    private static final Duration SOON = Duration.ofMillis(1500);

    /// Returns time-outs of which only that of a request without an answer is short.
    private static Timeouts answerWithin(Duration limit) {
        return new Timeouts(NEVER, NEVER, NEVER, limit);
    }

    @Test
    void aRequestThatNoSchedulerAnswersIsRefusedAndTheNextFindsANewConnection() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start(answerWithin(SOON))) {
            tiny.scheduler.behave(FakeScheduler.Call::awaitCancelled);
            HttpResponse<String> refused =
                    tiny.post("/v1/chat/completions", TestCoordinator.chatBody(""));
            assertEquals(503, refused.statusCode(), refused::body);
            assertTrue(tiny.scheduler.nextCall().awaitCancelled());
            tiny.generate("Hello");
            // The refusal may arrive before the connection is given up.
            Eventually.await(
                    "a new connection serves",
                    () ->
                            tiny.post("/v1/chat/completions", TestCoordinator.chatBody(""))
                                    .body()
                                    .contains("Hello"));
        }
    }

    @Test
    void aRequestThatOneSchedulerDoesNotAnswerIsServedByAnother() throws Exception {
        Patience.growing(SOON, UnansweredTest::isServedByAnother);
    }

    private static void isServedByAnother(Duration limit) throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start(answerWithin(limit));
                FakeScheduler other = TestCoordinator.scheduler("other")) {
            var attempts = new AtomicInteger();
            for (FakeScheduler each : List.of(tiny.scheduler, other)) {
                each.behave(
                        call -> {
                            if (attempts.getAndIncrement() == 0) {
                                call.awaitCancelled();
                            }
                            call.oneByOne(0, tiny.ids("Hello"));
                            call.finishByLength(0);
                        });
            }
            tiny.cluster.another(Runnable::run).register(other.member());
            Eventually.await("two groups", () -> tiny.get("/metrics").body().contains("\"other\""));
            assertEquals("Hello", tiny.chat("").at("/choices/0/message/content").asText());
            assertEquals(2, attempts.get());
        }
    }

    /// An accepted request is kept: after the loss of its connection nobody answers for a while.
    @Test
    void anAcceptedRequestGoesOnAfterACutInBothDirectionsAndInOne() throws Exception {
        for (List<Direction> cut :
                List.of(
                        List.of(Direction.TO_SERVER, Direction.TO_CLIENT),
                        List.of(Direction.TO_CLIENT))) {
            Patience.growing(SOON, limit -> goesOnAfter(cut, limit));
        }
    }

    private static void goesOnAfter(List<Direction> cut, Duration limit) throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start(answerWithin(limit));
                FakeScheduler far = TestCoordinator.scheduler("far");
                var proxy = new FaultProxy(far.member().address().port());
                var client = new RawConnection(tiny.coordinator.port())) {
            var calls = new AtomicInteger();
            far.behave(
                    call -> {
                        call.accept();
                        if (calls.getAndIncrement() == 0) {
                            call.oneByOne(0, tiny.ids("Hel"));
                            call.awaitCancelled();
                        } else {
                            call.oneByOne(0, tiny.ids("lo"));
                            call.finishByLength(0);
                        }
                    });
            tiny.scheduler.die();
            tiny.awaitReady(false);
            Member member = far.member();
            tiny.cluster
                    .another(Runnable::run)
                    .register(
                            Member.scheduler(
                                    "far", "127.0.0.1", proxy.port(), member.incarnation()));
            tiny.awaitReady(true);
            client.post("/v1/chat/completions", TestCoordinator.chatBody("\"stream\":true"));
            client.readUntil("Hel");
            proxy.cut(cut.toArray(Direction[]::new));
            tiny.awaitReady(false);
            proxy.heal();
            String rest = client.readUntil("[DONE]");
            assertTrue(rest.contains("lo") && !rest.contains("error"), rest);
            assertEquals(2, calls.get());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Context;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Clients leave at random moments: while their request waits, in its prefill, between its tokens,
/// and after its end.
@Tag("sweep")
final class ManyCancelsTest {
    private static final int REQUESTS = 10_000;

    /// At a time: more than run, fewer than may wait.
    private static final int OPEN = 40;

    private record Open(TestCall call, Context.CancellableContext context, int leaveAfter) {}

    @Test
    void cancelledRequestsLeaveNothingBehind() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        var random = new Random(seed);
        try (var rig = new Rig(Rig.cluster(), 2, new WaitingLimits(100, 10_000))) {
            rig.startRank(0, 2);
            rig.startRank(1, 2);
            rig.awaitReady();
            Deque<Open> open = new ArrayDeque<>();
            int cancelled = 0;
            for (int i = 0; i < REQUESTS; i++) {
                GenerateRequest.Builder request =
                        Rig.request("c" + i % 50, 1 + random.nextInt(40), i, 12)
                                .setRequestId("c" + i)
                                .setChoices(1 + random.nextInt(3))
                                .clearStopTokenIds();
                var call = new TestCall();
                Context.CancellableContext context = Context.ROOT.withCancellation();
                context.run(() -> rig.stub().generate(request.build(), call));
                open.add(new Open(call, context, random.nextInt(16)));
                while (open.size() > (i == REQUESTS - 1 ? 0 : random.nextInt(OPEN))) {
                    cancelled += leave(open.remove(), random) ? 1 : 0;
                }
            }
            rig.assertQuiet();
            System.out.println(cancelled + " of " + REQUESTS + " cancelled before their end");
            assertTrue(cancelled > REQUESTS / 2 && cancelled < REQUESTS);
            GenerateRequest last = Rig.request("last", 9, 1, 12).build();
            assertEquals(Rig.expected(last, 0), rig.generate(last).await().ids.get(0));
            GroupStatus status = rig.awaitReady();
            assertEquals(0, status.getWaitingTokens());
        }
    }

    /// Cancels a call once it has received some tokens, if it does not end before; returns whether
    /// it had not ended.
    private static boolean leave(Open open, Random random) {
        int spins = random.nextInt(2000);
        while (open.call().received() < open.leaveAfter()
                && !open.call().done.isDone()
                && spins-- > 0) {
            Thread.onSpinWait();
        }
        boolean ended = open.call().done.isDone();
        open.context().cancel(null);
        return !ended;
    }
}

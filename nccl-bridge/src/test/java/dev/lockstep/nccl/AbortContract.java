// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The contract of aborts and lost peers: no rank waits for ever.
interface AbortContract extends CommunicatorContract {

    /// As [#onEveryRank]; no watchdog ends the waits of the rank that `aborting` names before it
    /// aborts, however busy the machine is.
    default void onEveryRank(int size, int aborting, RankBody body) throws Exception {
        onEveryRank(size, body);
    }

    @Test
    default void anAbortByOneRankFailsAllRanks() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    size - 1,
                    (communicator, _) -> {
                        communicator.barrier();
                        if (communicator.rank() == size - 1) {
                            communicator.requireRunning();
                            communicator.abort("the stream broke");
                            communicator.abort("a second reason");
                        }
                        // Rank 0 of a larger group may still be entering the wait.
                        requireAborted(
                                communicator,
                                size - 1,
                                "the stream broke",
                                () -> meetForEver(communicator));
                        requireAborted(
                                communicator,
                                size - 1,
                                "the stream broke",
                                communicator::requireRunning);
                    });
        }
    }

    @Test
    default void anAbortByAnotherThreadEndsAWait() throws Exception {
        for (int size : sizes()) {
            if (size == 1) {
                continue;
            }
            var aborted = new CountDownLatch(1);
            onEveryRank(
                    size,
                    0,
                    (communicator, _) -> {
                        if (communicator.rank() == size - 1) {
                            // Does not arrive at the barrier before the abort.
                            aborted.await();
                        }
                        if (communicator.rank() == 0) {
                            Thread waiting = Thread.currentThread();
                            Thread.ofPlatform()
                                    .start(
                                            () -> {
                                                awaitCall(waiting, "barrier");
                                                communicator.abort("no stream");
                                                aborted.countDown();
                                            });
                        }
                        boolean first = communicator.rank() == 0 || sharesReasons();
                        requireAborted(
                                communicator,
                                0,
                                "no stream",
                                // What rank 0 has sent before may still reach the others.
                                first ? communicator::barrier : () -> meetForEver(communicator));
                    });
        }
    }

    private static void meetForEver(Communicator communicator) {
        while (true) {
            communicator.barrier();
        }
    }

    /// Waits until `thread` is inside a method of that name.
    private static void awaitCall(Thread thread, String method) {
        while (Stream.of(thread.getStackTrace())
                .noneMatch(frame -> frame.getMethodName().equals(method))) {
            Thread.onSpinWait();
        }
    }

    @Test
    default void ranksThatWaitForOneThatHasLeftFail() throws Exception {
        for (int size : sizes()) {
            if (size == 1) {
                continue;
            }
            onEveryRank(
                    size,
                    (communicator, _) -> {
                        communicator.barrier();
                        if (communicator.rank() < size - 1) {
                            assertThrows(CommunicatorAbortedException.class, communicator::barrier);
                        }
                    });
        }
    }

    @Test
    default void closingTwiceAndAbortingAfterwardsDoNothing() throws Exception {
        for (int size : sizes()) {
            onEveryRank(
                    size,
                    (communicator, _) -> {
                        communicator.barrier();
                        communicator.close();
                        communicator.abort("too late");
                        communicator.close();
                    });
        }
    }

    /// Requires that `call` fails; on the rank that aborted, and on all where reasons are shared,
    /// with its reason.
    private void requireAborted(
            Communicator communicator, int aborting, String reason, Runnable call) {
        CommunicatorAbortedException thrown =
                assertThrows(CommunicatorAbortedException.class, call::run);
        if (communicator.rank() == aborting || sharesReasons()) {
            assertEquals("aborted by rank %d: %s".formatted(aborting, reason), thrown.getMessage());
        }
    }
}

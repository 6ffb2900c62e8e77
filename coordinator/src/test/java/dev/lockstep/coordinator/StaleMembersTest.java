// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.cluster.process.Randomness;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/// Announcements of schedulers that are gone, whose addresses nobody or somebody else has now: no
/// request is sent there.
final class StaleMembersTest {
    @Test
    void requestsAreServedByTheSchedulerThatLives() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                // Closed last: it ends when its socket is closed.
                ExecutorService stranger = Executors.newVirtualThreadPerTaskExecutor();
                var silent = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
                var foreign = new ServerSocket(0, 8, InetAddress.getLoopbackAddress())) {
            stranger.execute(() -> answerAsAnother(foreign));
            int dead = ReservedPorts.next();
            for (int port : new int[] {dead, silent.getLocalPort(), foreign.getLocalPort()}) {
                announce(tiny, port);
            }
            tiny.generate("Hello");
            Eventually.await(
                    "all are known", () -> tiny.get("/metrics").body().contains("stale-" + dead));
            for (int i = 0; i < 20; i++) {
                assertEquals("Hello", tiny.chat("").at("/choices/0/message/content").asText());
            }
        }
    }

    private static void announce(TestCoordinator tiny, int port) {
        tiny.cluster
                .another(Runnable::run)
                .register(
                        Member.scheduler(
                                        "stale-" + port,
                                        "127.0.0.1",
                                        port,
                                        Randomness.secure().nextIncarnation())
                                .withState(Member.State.READY));
    }

    private static void answerAsAnother(ServerSocket foreign) {
        while (!foreign.isClosed()) {
            try (Socket client = foreign.accept()) {
                client.getOutputStream()
                        .write("HTTP/1.1 200 OK\r\n\r\nhello".getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                // The client or the test has ended.
            }
        }
    }
}

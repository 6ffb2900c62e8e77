// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.cluster.process.ProcessKeys;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.junit.jupiter.api.Test;

final class FreePortTest {
    private static void assertRefused(String host, int port, String message) {
        UncheckedIOException refusal =
                assertThrows(
                        UncheckedIOException.class,
                        () -> FreePort.require(ProcessKeys.INTERNAL_HOST, host, port));
        String line = refusal.getMessage() + "";
        assertTrue(
                line.startsWith("cannot listen on %s:%d: ".formatted(host, port))
                        && line.contains(message)
                        && line.endsWith("; choose another --port or --internal-host"),
                line);
    }

    @Test
    void aTakenPortIsRefusedAndAFreeOneIsFreeAfterwards() throws Exception {
        int port = ReservedPorts.next();
        try (var _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            assertRefused("127.0.0.1", port, "in use");
        }
        FreePort.require(ProcessKeys.HOST, "127.0.0.1", port);
        new ServerSocket(port, 1, InetAddress.getLoopbackAddress()).close();
        FreePort.require(ProcessKeys.HOST, "127.0.0.1", 0);
    }

    @Test
    void anAddressThatIsNotOfThisHostIsRefused() {
        assertRefused("999.1.1.1", 8000, "no such address");
        assertRefused("192.0.2.1", 8000, "assign");
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class ReservedPortsTest {
    @Test
    void noPortIsGivenTwiceNorByTheSystem() throws Exception {
        Set<Integer> ports = new HashSet<>();
        for (int i = 0; i < 20; i++) {
            int first = ReservedPorts.next(2);
            assertTrue(ports.add(first) && ports.add(first + 1) && ports.add(ReservedPorts.next()));
        }
        try (var any = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertTrue(ports.stream().noneMatch(port -> port == any.getLocalPort()));
        }
    }

    @Test
    void aTakenPortIsPassedOver() throws Exception {
        int port = ReservedPorts.next();
        try (var taken = new ServerSocket(port + 1, 1, InetAddress.getLoopbackAddress())) {
            int next = ReservedPorts.next(2);
            assertTrue(next > taken.getLocalPort() || next + 1 < taken.getLocalPort());
            assertEquals(port + 1, taken.getLocalPort());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.net.InetAddress;
import java.net.NetworkInterface;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class AnnouncedHostTest {
    @Test
    void aHostThatIsNamedIsAnnounced() throws Exception {
        assertEquals("127.0.0.1", AnnouncedHost.of("127.0.0.1"));
        assertEquals("localhost", AnnouncedHost.of("localhost"));
    }

    @Test
    void forAllInterfacesTheAddressIsOneThatOthersReach() throws Exception {
        InetAddress loopback = InetAddress.getByName("127.0.1.1");
        InetAddress network = InetAddress.getByName("192.0.2.7");
        InetAddress other = InetAddress.getByName("192.0.2.8");
        assertEquals("192.0.2.7", AnnouncedHost.of(network, Optional.of(other)));
        assertEquals("192.0.2.8", AnnouncedHost.of(loopback, Optional.of(other)));
        assertEquals("127.0.1.1", AnnouncedHost.of(loopback, Optional.empty()));
    }

    @Test
    void theAddressIsOneOfThisHost() throws Exception {
        InetAddress announced = InetAddress.getByName(AnnouncedHost.of("0.0.0.0"));
        assertFalse(announced.isAnyLocalAddress());
        assertFalse(
                !announced.isLoopbackAddress()
                        && NetworkInterface.getByInetAddress(announced) == null,
                announced + " is of no interface");
    }
}

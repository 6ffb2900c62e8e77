// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CacheDomainTest {
    @Test
    void requestsWithoutTenantSaltAndAdapterHaveTheEmptyDomain() {
        assertEquals(0, CacheDomain.of("", "", "").length);
    }

    /// The expected values come from Python's hashlib.
    @Test
    void aDomainIsThePrefixOfASha256() {
        assertArrayEquals(
                new long[] {0xcf594b1d9ac32d22L, 0x968ab88e6f320da6L},
                CacheDomain.of("acme", "salt", ""));
        assertArrayEquals(
                new long[] {0x611225135797734eL, 0x0e76377305315e27L}, CacheDomain.of("", "", "é"));
    }

    @Test
    void equalTextsInDifferentFieldsGiveDifferentDomains() {
        Set<String> domains =
                Stream.of(
                                CacheDomain.of("ab", "", ""),
                                CacheDomain.of("", "ab", ""),
                                CacheDomain.of("", "", "ab"),
                                CacheDomain.of("a", "b", ""),
                                CacheDomain.of("a", "", "b"),
                                CacheDomain.of("", "a", "b"))
                        .map(Arrays::toString)
                        .collect(Collectors.toSet());
        assertEquals(6, domains.size());
    }
}

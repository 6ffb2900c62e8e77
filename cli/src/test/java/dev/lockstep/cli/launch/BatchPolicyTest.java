// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class BatchPolicyTest {
    @Test
    void aPolicyThatCanBeSetPrecedesTheCommand() {
        assertEquals(List.of("env"), BatchPolicy.prefix(List.of("env")));
    }

    @Test
    void processesKeepTheirPolicyWhereItCannotBeSet() {
        assertEquals(List.of(), BatchPolicy.prefix(List.of("no-such-program", "-b", "0")));
        // Exits with 1, whatever its arguments are.
        assertEquals(List.of(), BatchPolicy.prefix(List.of("false")));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class RequestFaultTest {
    private static String printed(Throwable fault) {
        var text = new StringWriter();
        fault.printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    @Test
    void aFaultIsLoggedWithItsClassesAndFramesWithoutItsWords() {
        var cause = new NumberFormatException("For input string: \"secret\"");
        var fault = new IllegalStateException("the prompt \"secret\" failed", cause);
        fault.addSuppressed(new IllegalArgumentException("secret"));
        String text = printed(new RequestFault(fault));
        assertFalse(text.contains("secret"), text);
        assertTrue(text.contains("java.lang.IllegalStateException"), text);
        assertTrue(text.contains("java.lang.NumberFormatException"), text);
        assertEquals(fault.getStackTrace()[0], new RequestFault(fault).getStackTrace()[0]);
    }

    @Test
    void causesThatFormACycleEnd() {
        var first = new IllegalStateException("a");
        var second = new IllegalStateException("b", first);
        first.initCause(second);
        assertTrue(printed(new RequestFault(first)).contains("IllegalStateException"));
    }
}

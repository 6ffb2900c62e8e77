// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TerminalTest {
    private static final String CLEAR = "\r\u001b[K";

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    private String shown() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void aTerminalRewritesOneLine() throws InterruptedException {
        var terminal = new Terminal(out, true);
        terminal.progress("loading weights", 1, 4);
        // Longer than the 100 ms between two rewrites.
        Thread.sleep(120);
        terminal.progress("loading weights", 3, 4);
        terminal.say("done");
        assertEquals(
                CLEAR
                        + "loading weights [#####               ]  25%"
                        + CLEAR
                        + "loading weights [###############     ]  75%"
                        + CLEAR
                        + "done\n",
                shown());
    }

    @Test
    void moreThanEverythingIsEverything() {
        new Terminal(out, true).progress("loading weights", 7, 4);
        new Terminal(out, false).progress("loading weights", Long.MAX_VALUE, 3);
        assertEquals(
                CLEAR + "loading weights [####################] 100%loading weights 100%\n",
                shown());
    }

    @Test
    void otherOutputGetsPlainLines() {
        var terminal = new Terminal(out, false);
        terminal.say("fetching");
        terminal.progress("downloading", 1, 2);
        terminal.endLine();
        terminal.say("done");
        assertEquals("fetching\ndownloading  50%\ndone\n", shown());
    }

    @Test
    void progressIsShownOncePerInterval() {
        for (boolean interactive : new boolean[] {true, false}) {
            bytes.reset();
            var terminal = new Terminal(out, interactive);
            long start = System.nanoTime();
            for (int i = 0; i < 1000; i++) {
                terminal.progress("x", i, 1000);
            }
            // Usually none: the loop takes some milliseconds.
            long intervals =
                    (System.nanoTime() - start) / (interactive ? 100_000_000L : 5_000_000_000L);
            long lines = shown().codePoints().filter(c -> c == 'x').count();
            assertTrue(lines >= 1 && lines <= 1 + intervals, lines + " lines");
        }
    }

    @Test
    void progressWithoutATotalShowsOnlyItsName() {
        new Terminal(out, false).progress("warming up", 0, 0);
        assertEquals("warming up\n", shown());
    }

    @Test
    void endingALineThatIsNotOpenShowsNothing() {
        new Terminal(out, true).endLine();
        assertEquals("", shown());
    }

    @Test
    void bytesHaveAUnit() {
        assertEquals("0.0 KiB", Terminal.bytes(0));
        assertEquals("1.5 KiB", Terminal.bytes(1536));
        assertEquals("93.8 MiB", Terminal.bytes(98_362_432));
        assertEquals("2.00 GiB", Terminal.bytes(2L << 30));
    }
}

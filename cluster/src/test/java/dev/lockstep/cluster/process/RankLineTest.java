// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RankLineTest {
    @Test
    void aLineIsReadAsItWasWritten() {
        for (RankLine line :
                List.of(
                        new RankLine.Wanted(2),
                        new RankLine.Unformed("KV memory of 1 blocks"),
                        new RankLine.Ranks(1),
                        new RankLine.Done(1),
                        new RankLine.Refused("too little memory"),
                        new RankLine.Refused(""),
                        new RankLine.Failed("of a\u2028library"),
                        new RankLine.Failed("worker-1-of-2: ended"))) {
            assertEquals(Optional.of(line), RankLine.parse(line.text()));
        }
        assertEquals("ranks-refused\tone two", new RankLine.Refused("one\n\ttwo").text());
    }

    @Test
    void otherLinesAreNotRead() {
        for (String line :
                List.of(
                        "",
                        "drain",
                        "ranks",
                        "ranks\t",
                        "ranks\t-1",
                        "ranks\t1234567890",
                        "x\t1")) {
            assertEquals(Optional.empty(), RankLine.parse(line), line);
        }
    }
}

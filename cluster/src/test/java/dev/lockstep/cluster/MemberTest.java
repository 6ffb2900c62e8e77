// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.Randomness;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MemberTest {

    private static final String INCARNATION = Randomness.seeded(1).nextIncarnation();
    private static final Member WORKER =
            Member.worker("default", 1, 2, "127.0.0.1", 4711, INCARNATION);

    @Test
    void roundTripsThroughJson() {
        MemberAddress address =
                MemberAddress.tcp("10.0.0.1", 4711).andUnix(Path.of("/run/lockstep/worker-1.sock"));
        Member member =
                Member.worker("default", 1, 2, address, INCARNATION)
                        .withState(Member.State.READY)
                        .withAttributes(Map.of("model", "smol \"lm\"\n", "build", "ä"));
        assertEquals(member, MemberJson.read(MemberJson.write(member)));
    }

    @Test
    void fieldsOfANewerBuildAreIgnored() {
        var json = new String(MemberJson.write(WORKER), StandardCharsets.UTF_8);
        String newer =
                json.replaceFirst("\\{", "{\"zone\":{\"a\":[1,{}]},\"tags\":[\"x\"],\"weight\":3,");
        assertEquals(WORKER, MemberJson.read(newer.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void malformedAnnouncementsAreRefused() {
        for (String text :
                List.of("", "[]", "{", "{}", "{\"role\":\"worker\"}", "\u0000\u0001", "null")) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            assertThrows(IllegalArgumentException.class, () -> MemberJson.read(bytes), text);
        }
        byte[] wrongRole =
                new String(MemberJson.write(WORKER), StandardCharsets.UTF_8)
                        .replace("worker", "cook")
                        .getBytes(StandardCharsets.UTF_8);
        assertThrows(IllegalArgumentException.class, () -> MemberJson.read(wrongRole));
    }

    @Test
    void anAnnouncementHasAtMost1024Bytes() {
        Member tooLarge = WORKER.withAttributes(Map.of("note", "x".repeat(1024)));
        assertRefused("more than 1024", () -> MemberJson.write(tooLarge));
        assertThrows(IllegalArgumentException.class, () -> MemberJson.read(new byte[1025]));
    }

    @Test
    void wrongValuesAreNamed() {
        assertRefused(
                "rank 2 is outside [0, 2)", () -> Member.worker("g", 2, 2, "h", 1, INCARNATION));
        assertRefused("port 65536", () -> Member.worker("g", 0, 1, "h", 65536, INCARNATION));
        assertRefused("group \"../x\"", () -> Member.scheduler("../x", "h", 1, INCARNATION));
        assertRefused("incarnation \"7\"", () -> Member.coordinator("h", 1, "7"));
        assertRefused("a port, or a Unix socket", () -> Member.coordinator("h", 0, INCARNATION));
        for (String host : List.of("a b", "h/x", "h\n", "x".repeat(256))) {
            assertRefused("is not a name or an address", () -> MemberAddress.tcp(host, 1));
        }
        for (String socket : List.of("s.sock", "/a\0b", "/a\n", "/" + "x".repeat(107))) {
            assertRefused("is not the absolute path", () -> new MemberAddress("", 0, socket, "x"));
        }
    }
}

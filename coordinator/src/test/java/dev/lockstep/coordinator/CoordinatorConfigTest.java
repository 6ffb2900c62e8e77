// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CoordinatorConfigTest {

    private static CoordinatorConfig config(String... words) {
        return CoordinatorConfig.of(
                Settings.parse(CoordinatorConfig.SPEC, List.of(words), Map.of()),
                Path.of("model"),
                "the-model");
    }

    @Test
    void onlyZooKeeperIsRequired() {
        CoordinatorConfig config = config("--zookeeper=localhost:2181");
        assertEquals("127.0.0.1", config.access().host());
        assertEquals(8000, config.port());
        assertEquals(List.of("the-model"), config.servedModelNames());
        assertEquals(8 << 20, config.maxBodyBytes());
        assertEquals(Duration.ofSeconds(60), config.drainTimeout());
        assertFalse(config.parentPipe());
        assertThrows(SettingsException.class, CoordinatorConfigTest::config);
    }

    @Test
    void givenSettingsAreUsed() {
        CoordinatorConfig config =
                config(
                        "--zookeeper=a:1",
                        "--port=0",
                        "--served-model-name=other",
                        "--max-body=1M",
                        "--drain-timeout=5s");
        assertEquals(0, config.port());
        assertEquals(List.of("other"), config.servedModelNames());
        assertEquals(1 << 20, config.maxBodyBytes());
        assertEquals(Duration.ofSeconds(5), config.drainTimeout());
    }

    @Test
    void aBodyLimitBeyondAnArrayIsRefused() {
        SettingsException refused =
                assertThrows(
                        SettingsException.class, () -> config("--zookeeper=a:1", "--max-body=1G"));
        assertTrue(String.valueOf(refused.getMessage()).contains("--max-body"));
    }

    @Test
    void theDrainTimeOutIsATimeOfAnHourAtMost() {
        assertEquals(Duration.ZERO, config("--zookeeper=a:1", "--drain-timeout=0s").drainTimeout());
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> config("--zookeeper=a:1", "--drain-timeout=61m"));
        assertEquals("--drain-timeout: 61m is outside [0s, 3600s]", refused.getMessage());
    }

    @Test
    void aWrongDescriptionOfAnswersIsRefusedInOneLine(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("f.json");
        assertEquals("--tool-format: " + file + ": no such file", refusal(file));
        Files.writeString(file, "{");
        assertTrue(refusal(file).startsWith("--tool-format: " + file + " is not JSON: "));
        assertEquals(1, refusal(file).lines().count());
        Files.writeString(file, "{\"tools\": {}}");
        assertEquals("--tool-format: " + file + ".tools: call is missing", refusal(file));
        Files.writeString(file, "{\"reasoning\": {\"opening\": \" \", \"closing\": \"x\"}}");
        assertEquals(
                "--tool-format: " + file + ": reasoning without an opening or a closing marker",
                refusal(file));
        Files.writeString(file, "{\"reasoning\": {\"opening\": \"<t>\", \"closing\": \"</t>\"}}");
        assertEquals(
                Optional.of(file),
                config("--zookeeper=a:1", "--tool-format=" + file).text().toolFormat());
    }

    private static String refusal(Path toolFormat) {
        return String.valueOf(
                assertThrows(
                                SettingsException.class,
                                () -> config("--zookeeper=a:1", "--tool-format=" + toolFormat))
                        .getMessage());
    }

    @Test
    void aJournalHasAFolderAndAWindow() {
        assertEquals(Optional.empty(), config("--zookeeper=a:1").journalFolder());
        String journal = "--durability=journal";
        assertTrue(
                config("--zookeeper=a:1", "--cluster=c", journal)
                        .journalFolder()
                        .orElseThrow()
                        .endsWith("lockstep/journal/c"));
        assertEquals(
                Optional.of(Path.of("/f")),
                config("--zookeeper=a:1", journal, "--journal-folder=/f").journalFolder());
        assertEquals(
                "--journal-folder is used by --durability journal: give both or neither",
                refusalOf("--journal-folder=/f"));
        assertTrue(refusalOf(journal, "--resume-window=0s").contains("--resume-window 0"));
        assertEquals(
                "--durability: \"disk\" is none of memory, journal",
                refusalOf("--durability=disk"));
    }

    private static String refusalOf(String... words) {
        List<String> all = new ArrayList<>(List.of(words));
        all.add("--zookeeper=a:1");
        return String.valueOf(
                assertThrows(SettingsException.class, () -> config(all.toArray(String[]::new)))
                        .getMessage());
    }

    @Test
    void reasoningHasThreePlaces() {
        assertEquals(ReasoningPlace.SEPARATE, config("--zookeeper=a:1").text().reasoning());
        for (ReasoningPlace place : ReasoningPlace.values()) {
            String word = place.name().toLowerCase(Locale.ROOT);
            assertEquals(
                    place, config("--zookeeper=a:1", "--reasoning=" + word).text().reasoning());
        }
        assertEquals(
                "--reasoning: \"on\" is none of off, separate, inline",
                assertThrows(
                                SettingsException.class,
                                () -> config("--zookeeper=a:1", "--reasoning=on"))
                        .getMessage());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Somebody sets the clock of a host, and nothing expires: time-outs and deadlines use a time that
/// only goes forward. The wall clock is for what people and clients read, and for ages of files.
final class WallClockTest {
    private static final Pattern WALL_CLOCK =
            Pattern.compile(
                    "currentTimeMillis|Instant\\.now|LocalDate(Time)?\\.now|ZonedDateTime\\.now"
                            + "|OffsetDateTime\\.now|new Date\\(|Clock\\.system|java\\.util\\.Timer"
                            + "|Calendar\\.getInstance");

    private static final Set<String> ALLOWED =
            Set.of(
                    // Fields of responses.
                    "RequestContext.java",
                    "OllamaAnswer.java",
                    "RunningResponse.java",
                    "ServedModel.java",
                    // Templates write today's date.
                    "ModelAnswers.java",
                    "ParseCommand.java",
                    "RenderCommand.java",
                    "Inspection.java",
                    "JinjaTemplate.java",
                    "TemplateTools.java",
                    // What a person reads about a start.
                    "LogFolder.java",
                    "ServeCommand.java",
                    // A header with a date.
                    "HubClient.java",
                    // The age of a file.
                    "DeadSockets.java",
                    "PackedFolder.java",
                    "RegionFile.java");

    @Test
    void noTimeOutUsesTheWallClock() throws IOException {
        var found = new TreeSet<String>();
        Path root = Path.of("..").toRealPath();
        try (Stream<Path> modules = Files.list(root)) {
            for (Path module : modules.toList()) {
                Path sources = module.resolve("src/main/java");
                if (Files.isDirectory(sources)) {
                    search(sources, found);
                }
            }
        }
        assertEquals(new TreeSet<>(ALLOWED), found);
    }

    private static void search(Path sources, Set<String> found) throws IOException {
        try (Stream<Path> files = Files.walk(sources)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".java")).toList()) {
                if (WALL_CLOCK.matcher(Files.readString(file)).find()) {
                    found.add(file.getFileName().toString());
                }
            }
        }
    }
}

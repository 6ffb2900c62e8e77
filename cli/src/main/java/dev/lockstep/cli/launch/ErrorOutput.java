// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.OwnerOnly;
import java.io.File;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The file for the error output of a child, which only this user reads: a crash may print what a
/// client sent. Its log is beside it.
record ErrorOutput(Path logFolder, String name) {
    /// The beginning of a message of a Lockstep process.
    private static final String MESSAGE = "lockstep ";

    /// The bytes in which the last line is searched.
    private static final int END_BYTES = 1 << 16;

    private static final Logger LOG = LogManager.getLogger(ErrorOutput.class);

    /// Creates the file anew.
    File emptyFile() throws IOException {
        Path file = file();
        Files.deleteIfExists(file);
        Files.createFile(file, OwnerOnly.FILE);
        return file.toFile();
    }

    /// Returns the last message of a Lockstep process, else the last non-blank line there, else
    /// that of its log. A library may have written behind the message.
    String lastLine(int exitCode) {
        List<String> errors = lines(file());
        return last(errors.stream().filter(line -> line.startsWith(MESSAGE)).toList())
                .or(() -> last(errors))
                .or(() -> last(lines(logFolder.resolve(name + ".log"))))
                .orElse("ended with exit code " + exitCode + " without a message");
    }

    private static Optional<String> last(List<String> lines) {
        return lines.isEmpty() ? Optional.empty() : Optional.of(lines.getLast());
    }

    /// Returns the last lines of a file that are not blank, none if it cannot be read.
    private List<String> lines(Path file) {
        try {
            return end(file).lines().filter(line -> !line.isBlank()).toList();
        } catch (IOException e) {
            LOG.debug("{}: cannot read {}", name, file, e);
            return List.of();
        }
    }

    /// Returns the end of a file that may be long.
    private static String end(Path file) throws IOException {
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            channel.position(Math.max(0, channel.size() - END_BYTES));
            return new String(
                    Channels.newInputStream(channel).readNBytes(END_BYTES), StandardCharsets.UTF_8);
        }
    }

    private Path file() {
        return logFolder.resolve(name + ".err");
    }
}

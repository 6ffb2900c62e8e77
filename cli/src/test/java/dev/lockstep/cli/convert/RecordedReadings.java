// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.StoredRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Stream;

/// What the reference libraries read once, for machines without them: hashes of a conversion's
/// weights, and of the values that the libraries and Lockstep found in them.
///
/// Equal bytes are read equally, so what has not changed needs no library. Where a conversion has
/// changed, run the tests with the libraries and `-Dlockstep.readings=write`.
final class RecordedReadings {
    private static final Path FILE = Path.of("src/test/resources/readings.properties");
    private static final String WEIGHTS = ".safetensors";

    private RecordedReadings() {}

    /// Requires a conversion to be one that was read, with the same values.
    ///
    /// @param read whether the libraries have read it now, and agree
    static synchronized void check(String name, Path target, boolean read) throws IOException {
        String hashes = hashOfFiles(target) + " " + hashOfValues(target);
        var recorded = new Properties();
        try (var reader = Files.newBufferedReader(FILE)) {
            recorded.load(reader);
        }
        if (read && "write".equals(System.getProperty("lockstep.readings"))) {
            recorded.setProperty(name, hashes);
            write(recorded);
        }
        assertEquals(
                recorded.getProperty(name),
                hashes,
                name + " was never read so: run with the libraries and -Dlockstep.readings=write");
    }

    private static void write(Properties recorded) throws IOException {
        var text = new StringBuilder("# Written by RecordedReadings.\n");
        for (String each : new TreeSet<>(recorded.stringPropertyNames())) {
            text.append(each).append('=').append(recorded.getProperty(each)).append('\n');
        }
        Files.writeString(FILE, text);
    }

    private static String hashOfFiles(Path target) throws IOException {
        Hasher hasher = Hashing.sha256().newHasher();
        try (Stream<Path> files = Files.walk(target)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                if (file.equals(target) || file.toString().endsWith(WEIGHTS)) {
                    hasher.putBytes(Files.readAllBytes(file));
                }
            }
        }
        return hasher.hash().toString().substring(0, 32);
    }

    private static String hashOfValues(Path target) {
        Checkpoint checkpoint = Checkpoint.open(target);
        Hasher hasher = Hashing.sha256().newHasher();
        try (Kernels kernels = TestConversion.kernels()) {
            var rows = new StoredRows(kernels);
            for (String name : checkpoint.tensorNames().stream().sorted().toList()) {
                hasher.putString(name, UTF_8);
                for (float value : ReferenceReadingTest.decoded(rows, checkpoint.tensor(name))) {
                    hasher.putFloat(value);
                }
            }
        }
        return hasher.hash().toString().substring(0, 32);
    }
}

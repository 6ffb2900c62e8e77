// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/// Reads converted models with the reference library of their form: gguf, or transformers with
/// compressed-tensors. `-Dlockstep.python` names a Python that has them
/// (`model/src/test/python/requirements-quantized.txt`).
record ReferenceReader(String python, Path folder) {
    private static final Path SCRIPT = Path.of("src/test/python/read_conversion.py");
    private static final String PYTHON = "python3";
    private static final long SECONDS = 300;

    /// Fails unless all packages are there; does not import them, which takes seconds.
    private static final String FIND =
            "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in"
                    + " ('torch', 'safetensors', 'gguf', 'transformers', 'compressed_tensors')))";

    /// Returns a reader where the libraries are; fails where the Python that is named has none.
    ///
    /// @param folder where it writes
    static Optional<ReferenceReader> find(Path folder) throws Exception {
        String named = System.getProperty("lockstep.python", "");
        var reader = new ReferenceReader(named.isEmpty() ? PYTHON : named, folder);
        boolean found;
        try {
            found = reader.run(folder.resolve("import.log"), Stream.of("-c", FIND)) == 0;
        } catch (IOException _) {
            found = false;
        }
        assertTrue(found || named.isEmpty(), named + " has not all of the packages");
        return found ? Optional.of(reader) : Optional.empty();
    }

    /// Returns the reader, or skips the test, with a line.
    static ReferenceReader require(Optional<ReferenceReader> reader) {
        if (reader.isEmpty()) {
            String reason =
                    "%s has no torch, safetensors, gguf, transformers or compressed_tensors: name one that has them by -Dlockstep.python"
                            .formatted(PYTHON);
            System.out.println("skipped: " + reason);
            Assumptions.abort(reason);
        }
        return reader.orElseThrow();
    }

    /// Returns folders with the tensors of some models as the reference libraries decode them, F32,
    /// by their names in the models' files.
    ///
    /// @param config any configuration: Lockstep opens no folder without one
    List<Checkpoint> read(List<Path> models, Path config) throws Exception {
        return read(Stream.of(), models, config);
    }

    /// Returns folders as compressed-tensors decodes each module by itself: see [#read].
    List<Checkpoint> readModules(List<Path> models, Path config) throws Exception {
        return read(Stream.of("--modules"), models, config);
    }

    private List<Checkpoint> read(Stream<String> how, List<Path> models, Path config)
            throws Exception {
        Path target = Files.createDirectory(folder.resolve("as-they-are-read"));
        Path log = folder.resolve("read.log");
        int status =
                run(
                        log,
                        Stream.of(
                                        Stream.of(SCRIPT.toString()),
                                        how,
                                        Stream.of(target.toString()),
                                        models.stream().map(Path::toString))
                                .flatMap(each -> each));
        assertEquals(0, status, () -> text(log));
        List<Checkpoint> read = new ArrayList<>();
        for (Path model : models) {
            Path own = target.resolve(model.getFileName());
            Files.copy(config, own.resolve("config.json"));
            read.add(Checkpoint.openFiles(own));
        }
        return read;
    }

    /// Returns a folder with the largest magnitudes that a model of transformers has for a text:
    /// `NAME.input` of each matrix, `NAME.k` and `NAME.v` of each attention.
    Checkpoint maxima(Path model, int[] ids) throws Exception {
        Path target = Files.createDirectory(folder.resolve("maxima"));
        Path log = folder.resolve("maxima.log");
        String text = IntStream.of(ids).mapToObj(String::valueOf).collect(Collectors.joining(","));
        Stream<String> arguments =
                Stream.of(SCRIPT.toString(), "--maxima", target.toString(), model.toString(), text);
        assertEquals(0, run(log, arguments), () -> text(log));
        Path own = target.resolve(model.getFileName());
        Files.copy(model.resolve("config.json"), own.resolve("config.json"));
        return Checkpoint.openFiles(own);
    }

    private int run(Path log, Stream<String> arguments) throws Exception {
        Process process =
                new ProcessBuilder(Stream.concat(Stream.of(python), arguments).toList())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try {
            assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), () -> text(log));
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }

    private static String text(Path log) {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            return e.toString();
        }
    }
}

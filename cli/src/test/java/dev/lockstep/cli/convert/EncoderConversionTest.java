// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Encoders become GGUF files that compute what their folders do.
@Tag("sweep")
class EncoderConversionTest {
    private static final Path ENCODERS =
            Path.of("..", "model", "src", "test", "resources", "encoders");

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bert",
                "bert-masked-lm",
                "distilbert",
                "distilbert-masked-lm",
                "embedding-gemma",
                "modernbert",
                "nomic-bert",
                "roberta-masked-lm",
                "xlm-roberta"
            })
    void aRecordedEncoderHasTheSameBits(String name) {
        Path source = ENCODERS.resolve(name);
        for (String type : List.of("none", "f16")) {
            Path target = convert(source, name + "-" + type + ".gguf", type);
            assertArrayEquals(states(source), states(target));
            assertEquals(
                    Checkpoint.open(source).config().contextLength(),
                    Checkpoint.open(target).config().contextLength());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "modernbert-masked-lm, attention.bias is true; a GGUF file of modern-bert would be read with false",
        "eurobert, EuroBertModel is not converted to GGUF",
        "gte, NewModel is not converted to GGUF"
    })
    void whatAFileCannotSayOfAnEncoderIsRefusedByName(String name, String expected) {
        Path source = ENCODERS.resolve(name);
        String refusal =
                assertThrows(
                                CheckpointException.class,
                                () -> convert(source, "refused.gguf", "none"))
                        .getMessage();
        assertTrue(String.valueOf(refusal).contains(expected), refusal);
        assertTrue(Files.notExists(folder.resolve("refused.gguf.partial")));
    }

    private static float[] states(Path path) {
        int[] ids = IntStream.range(0, 40).map(i -> 5 + i * 37 % 90).toArray();
        try (LocalModel model =
                LocalModel.load(
                        ModelSource.open(path),
                        TestConversion.kernels(),
                        64,
                        LoadSettings.Progress.none())) {
            model.run(ids);
            return model.hiddenStates();
        }
    }

    private Path convert(Path source, String name, String type) {
        Path target = folder.resolve(name);
        new Conversion(
                        source,
                        target,
                        Quantization.of(type, 32, 0.5f).orElseThrow(),
                        List.of(),
                        Optional.empty(),
                        512,
                        Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        return target;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerationDefaultsTest {
    @TempDir private Path folder;

    private GenerationDefaults read(String json) throws IOException {
        Files.writeString(folder.resolve("generation_config.json"), json);
        return GenerationDefaults.of(TokenizerSource.open(folder));
    }

    @Test
    void everyValueOfTheFileIsRead() throws IOException {
        assertEquals(
                new GenerationDefaults(0.6, 20, 0.95, 0.05, 1.05),
                read(
                        "{\"do_sample\":true,\"temperature\":0.6,\"top_k\":20,\"top_p\":0.95,\"min_p\":0.05,"
                                + "\"repetition_penalty\":1.05,\"max_new_tokens\":2048}"));
    }

    @Test
    void whatIsAbsentOrNullHasNoEffect() throws IOException {
        assertEquals(GenerationDefaults.NONE, GenerationDefaults.of(TokenizerSource.open(folder)));
        assertEquals(GenerationDefaults.NONE, read("{}"));
        assertEquals(GenerationDefaults.NONE, read("{\"temperature\":null,\"top_k\":-1}"));
        assertEquals("", GenerationDefaults.NONE.describe());
    }

    @Test
    void aFileThatSwitchesSamplingOffMakesTheModelGreedy() throws IOException {
        assertEquals(
                new GenerationDefaults(0, 0, 0.9, 0, 1),
                read("{\"do_sample\":false,\"temperature\":0.7,\"top_p\":0.9}"));
    }

    @Test
    void aGgufFileHasThemUnderItsOwnNames() throws IOException {
        Path file = folder.resolve("model.gguf");
        Files.write(
                file,
                GgufBytes.llama()
                        .real("general.sampling.temp", 0.6f)
                        .number("general.sampling.top_k", 20)
                        .real("general.sampling.top_p", 0.95f)
                        .real("general.sampling.min_p", 0)
                        .real("general.sampling.penalty_repeat", 1.05f)
                        .build());
        assertEquals(
                "temperature 0.6, top_k 20, top_p 0.95, repetition_penalty 1.05",
                GenerationDefaults.of(TokenizerSource.open(file)).describe());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "temperature | 2.5 | a number from 0 to 2",
                "temperature | -1 | a number from 0 to 2",
                "temperature | NaN | a finite number",
                "temperature | \"hot\" | a number",
                "top_k | 1.5 | a whole number",
                "top_k | -2 | a number from -1 to 2147483647",
                "top_p | -0.1 | a number from 0 to 1",
                "top_p | 1.1 | a number from 0 to 1",
                "min_p | 2 | a number from 0 to 1",
                "repetition_penalty | 0.0 | a number above 0 and up to 1000",
                "repetition_penalty | 1001 | a number from 0 to 1000",
                "do_sample | 1 | true or false",
            })
    void aBadValueIsNamedWithFileAndLimit(String name, String value, String limit) {
        Refused.naming(
                () -> read("{\"%s\":%s}".formatted(name, value)),
                folder.resolve("generation_config.json").toString(),
                name + " is ",
                "expected " + limit);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Texts that a model computes for its calibration, cut into windows.
///
/// @param windows of at most [#WINDOW] tokens
record CalibrationText(List<int[]> windows) {
    static final int WINDOW = 512;

    private static final ObjectMapper JSON = new ObjectMapper();

    /// Reads lines `{"text": …}`.
    ///
    /// @param maxTokens what is left out beyond them
    static CalibrationText read(Path file, Tokenizer tokenizer, int maxTokens) {
        List<int[]> windows = new ArrayList<>();
        int tokens = 0;
        int number = 0;
        for (String line : lines(file)) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            int[] ids = tokenizer.encode(text(file, number, line), new EncodeOptions(false, true));
            for (int i = 0; i < ids.length && tokens < maxTokens; i += WINDOW) {
                int end = Math.min(ids.length, i + Math.min(WINDOW, maxTokens - tokens));
                windows.add(Arrays.copyOfRange(ids, i, end));
                tokens += end - i;
            }
        }
        if (windows.isEmpty()) {
            throw new UnusableException("--calibrate=%s has no text".formatted(file));
        }
        return new CalibrationText(windows);
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (NoSuchFileException e) {
            throw new UnusableException("--calibrate=%s does not exist".formatted(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(Path file, int number, String line) {
        JsonNode text;
        try {
            text = JSON.readTree(line).path("text");
        } catch (JsonProcessingException e) {
            throw new UnusableException(
                    "--calibrate=%s, line %d is not JSON".formatted(file, number));
        }
        if (!text.isTextual()) {
            throw new UnusableException(
                    "--calibrate=%s, line %d has no \"text\"".formatted(file, number));
        }
        return text.textValue();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A text as windows of equal length. A window is computed alone, and the tokens of its second half
/// are scored, so that each has at least half a window before it. The rest of the text that fills
/// no window is left out.
///
/// These are the windows of llama.cpp's `llama-perplexity`: where the model's tokenizer begins a
/// text with a token of its own, it takes the place of the first token of each window.
///
/// @param length tokens of a window
public record TextWindows(List<int[]> windows, int length) {

    /// @param source the text's name, for the refusal of a short one
    /// @param limit the largest number of windows
    static TextWindows of(String source, String text, Tokenizer tokenizer, int length, int limit) {
        int[] first = tokenizer.encode("", new EncodeOptions(false, true));
        boolean begins = first.length > 0 && tokenizer.special(first[0]);
        int[] ids = tokenizer.encode(text, new EncodeOptions(false, begins));
        if (ids.length < length) {
            throw new UnusableException(
                    "--text=%s has %d tokens, less than a window of --context=%d: give a longer text or a shorter context"
                            .formatted(source, ids.length, length));
        }
        List<int[]> windows = new ArrayList<>();
        for (int i = 0; windows.size() < limit && i + length <= ids.length; i += length) {
            int[] window = Arrays.copyOfRange(ids, i, i + length);
            if (begins) {
                window[0] = first[0];
            }
            windows.add(window);
        }
        return new TextWindows(windows, length);
    }

    /// Returns the first position of a window whose following token is scored.
    int firstScored() {
        return length / 2;
    }
}

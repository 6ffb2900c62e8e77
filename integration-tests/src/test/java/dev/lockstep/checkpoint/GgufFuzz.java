// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import dev.lockstep.it.fuzz.Bounds;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// Fuzz target of the GGUF reader: any bytes are read, with configuration, weights and tokenizer,
/// or refused in one line.
public final class GgufFuzz {
    /// The fixed part is for the character tables that some pre-tokenizers need.
    private static final Bounds BOUNDS = new Bounds(4 << 20, 512);

    private static final Path PATH = Path.of("model.gguf");

    private GgufFuzz() {}

    /// Called by Jazzer.
    public static void fuzzerTestOneInput(byte[] input) {
        BOUNDS.check(input, GgufFuzz::read);
    }

    private static void read(byte[] input) {
        try {
            GgufFile file = GgufFile.read(new MappedFile(PATH, MemorySegment.ofArray(input)));
            text(new TokenizerSource.Gguf(file.metadata()));
            GgufCheckpoint model = GgufCheckpoint.of(file);
            for (String name : model.tensorNames()) {
                if (model.tensorInfo(name).orElseThrow().valueCount() >= 0) {
                    model.findTensor(name);
                }
            }
            model.config();
        } catch (CheckpointException refused) {
            Bounds.requireOneLine(refused);
        }
    }

    private static void text(TokenizerSource source) {
        try {
            source.chatTemplate();
            if (source.hasTokenizer()) {
                Tokenizer tokenizer = Tokenizers.of(source);
                tokenizer.decode(
                        tokenizer.encode("ab it  <s>é😀", new EncodeOptions(true, true)), false);
            }
        } catch (CheckpointException refused) {
            // The weights can be read without a tokenizer.
            Bounds.requireOneLine(refused);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The tokens of a GGUF file whose characters stand for bytes, without its special ones.
final class GgufVocabulary {
    private static final int TEXT = 8;
    private static final int LIST = 9;
    private static final int[] SIZES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    private static final int NORMAL = 1;

    private final ByteBuffer file;
    private byte[] @Nullable [] tokens = {};
    private int[] kinds = {};

    private GgufVocabulary(ByteBuffer file) {
        this.file = file;
    }

    static byte[] @Nullable [] read(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path)) {
            long size = Math.min(channel.size(), Integer.MAX_VALUE);
            ByteBuffer file = channel.map(FileChannel.MapMode.READ_ONLY, 0, size);
            var vocabulary = new GgufVocabulary(file.order(ByteOrder.LITTLE_ENDIAN));
            vocabulary.readEntries();
            for (int id = 0; id < vocabulary.tokens.length; id++) {
                if (vocabulary.kinds[id] != NORMAL) {
                    vocabulary.tokens[id] = null;
                }
            }
            return vocabulary.tokens;
        }
    }

    private void readEntries() {
        // Magic number, version, number of tensors.
        file.position(16);
        for (long left = file.getLong(); left > 0; left--) {
            String name = new String(text(), StandardCharsets.UTF_8);
            int type = file.getInt();
            int element = type == LIST ? file.getInt() : type;
            int count = type == LIST ? (int) file.getLong() : 1;
            if (name.equals("tokenizer.ggml.tokens")) {
                tokens = new byte[count][];
                for (int id = 0; id < count; id++) {
                    tokens[id] =
                            ByteLevelVocabulary.bytes(new String(text(), StandardCharsets.UTF_8));
                }
            } else if (name.equals("tokenizer.ggml.token_type")) {
                kinds = new int[count];
                for (int id = 0; id < count; id++) {
                    kinds[id] = file.getInt();
                }
            } else {
                skip(element, count);
            }
        }
    }

    private void skip(int element, int count) {
        if (element == TEXT) {
            for (int i = 0; i < count; i++) {
                text();
            }
        } else {
            file.position(file.position() + count * SIZES[element]);
        }
    }

    private byte[] text() {
        byte[] text = new byte[(int) file.getLong()];
        file.get(text);
        return text;
    }
}

package dev.lockstep.coordinator.text;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// The key-value part of a GGUF file, read plainly for tests; trusts the file.
final class GgufMetadata {
    private final Map<String, Object> values = new HashMap<>();

    static GgufMetadata read(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            // The fixtures are below 4 MiB and a model's vocabulary comes first: 64 MiB hold all
            // keys.
            ByteBuffer buffer =
                    channel.map(
                                    FileChannel.MapMode.READ_ONLY,
                                    0,
                                    Math.min(channel.size(), 64L << 20))
                            .order(ByteOrder.LITTLE_ENDIAN);
            return new GgufMetadata(buffer);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private GgufMetadata(ByteBuffer in) throws IOException {
        if (in.getInt() != 0x4655_4747) {
            throw new EOFException("not a GGUF file");
        }
        in.getInt();
        in.getLong();
        long count = in.getLong();
        for (long i = 0; i < count; i++) {
            values.put(string(in), value(in, in.getInt()));
        }
    }

    GgufVocabulary vocabulary() {
        String model = (String) values.getOrDefault("tokenizer.ggml.model", "");
        String pre = (String) values.getOrDefault("tokenizer.ggml.pre", "");
        GgufVocabulary.Flags defaults = GgufVocabulary.Flags.defaults(model, pre);
        OptionalInt eos = id("tokenizer.ggml.eos_token_id");
        return new GgufVocabulary(
                model,
                pre,
                list("tokenizer.ggml.tokens", String.class),
                list("tokenizer.ggml.scores", Float.class),
                list("tokenizer.ggml.token_type", Integer.class),
                list("tokenizer.ggml.merges", String.class),
                new GgufVocabulary.SpecialIds(
                        id("tokenizer.ggml.bos_token_id"),
                        id("tokenizer.ggml.unknown_token_id"),
                        id("tokenizer.ggml.seperator_token_id"),
                        eos.isPresent() ? List.of(eos.getAsInt()) : List.of()),
                new GgufVocabulary.Flags(
                        flag("tokenizer.ggml.add_bos_token", defaults.addBos()),
                        flag("tokenizer.ggml.add_eos_token", defaults.addEos()),
                        flag("tokenizer.ggml.add_space_prefix", defaults.addSpacePrefix())));
    }

    private OptionalInt id(String key) {
        return values.get(key) instanceof Integer id ? OptionalInt.of(id) : OptionalInt.empty();
    }

    private boolean flag(String key, boolean otherwise) {
        return values.get(key) instanceof Boolean flag ? flag : otherwise;
    }

    private <T> List<T> list(String key, Class<T> type) {
        return values.get(key) instanceof List<?> list
                ? list.stream().map(type::cast).toList()
                : List.of();
    }

    private static Object value(ByteBuffer in, int type) {
        return switch (type) {
            case 0, 1 -> (int) in.get();
            case 2, 3 -> (int) in.getShort();
            case 4, 5 -> in.getInt();
            case 6 -> in.getFloat();
            case 7 -> in.get() != 0;
            case 8 -> string(in);
            case 9 -> {
                int element = in.getInt();
                long count = in.getLong();
                List<Object> list = new ArrayList<>();
                for (long i = 0; i < count; i++) {
                    list.add(value(in, element));
                }
                yield list;
            }
            case 10, 11 -> in.getLong();
            case 12 -> in.getDouble();
            default -> throw new IllegalArgumentException("GGUF value type " + type);
        };
    }

    private static String string(ByteBuffer in) {
        byte[] bytes = new byte[(int) in.getLong()];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}

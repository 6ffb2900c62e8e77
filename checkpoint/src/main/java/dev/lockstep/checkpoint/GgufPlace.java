// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The location of one value of GGUF metadata, found by skipping over the value without decoding
/// it.
///
/// @param type GGUF's number of the value's type
/// @param valueStart first byte of the value, after its type
/// @param elementType type of an array's elements, or the type itself
/// @param count elements of an array, or 1
/// @param elementsStart first byte of the elements
/// @param end first byte after the value
record GgufPlace(
        int type, long valueStart, int elementType, long count, long elementsStart, long end) {
    static final int TEXT = 8;
    private static final int ARRAY = 9;
    private static final int MAX_NESTING = 4;

    boolean isText() {
        return type == TEXT;
    }

    boolean isArray() {
        return type == ARRAY;
    }

    /// Locates the value of `key`. The reader is at the value's type and is moved past the value.
    static GgufPlace read(GgufReader reader, String key) {
        String what = "the value of metadata key " + key;
        int type = reader.readInt("the type of metadata key " + key);
        long start = reader.position();
        int elementType = type;
        long count = 1;
        long elements = start;
        if (type == ARRAY) {
            elementType = reader.readInt(what);
            count = reader.readLong(what);
            elements = reader.position();
            if (count > Integer.MAX_VALUE - 8) {
                reader.require(Long.MAX_VALUE, 1, what);
            }
        }
        skipValues(reader, elementType, count, key, type == ARRAY ? 1 : 0);
        return new GgufPlace(type, start, elementType, count, elements, reader.position());
    }

    private static void skipValues(
            GgufReader reader, int type, long count, String key, int nesting) {
        String what = "the value of metadata key " + key;
        switch (type) {
            case TEXT -> {
                reader.require(count, 8, what);
                for (long i = 0; i < count; i++) {
                    reader.skipText(what);
                }
            }
            case ARRAY -> {
                if (nesting >= MAX_NESTING) {
                    throw new CheckpointException(
                            "%s: metadata key %s nests arrays deeper than %d: the file is damaged, download it again"
                                    .formatted(reader.path(), key, MAX_NESTING));
                }
                reader.require(count, 12, what);
                for (long i = 0; i < count; i++) {
                    int elementType = reader.readInt(what);
                    skipValues(reader, elementType, reader.readLong(what), key, nesting + 1);
                }
            }
            default -> reader.skip(count, scalarBytes(reader, type, key), what);
        }
    }

    private static int scalarBytes(GgufReader reader, int type, String key) {
        return switch (type) {
            case 0, 1, 7 -> 1;
            case 2, 3 -> 2;
            case 4, 5, 6 -> 4;
            case 10, 11, 12 -> 8;
            default ->
                    throw new CheckpointException(
                            "%s: metadata key %s has unknown type %s at byte %d: the file is damaged, download it again"
                                    .formatted(
                                            reader.path(),
                                            key,
                                            Integer.toUnsignedString(type),
                                            reader.position()));
        };
    }
}

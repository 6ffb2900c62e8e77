// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;

/// The keys and values of a GGUF file, decoded on access.
///
/// A key with another type means a damaged or foreign file and is refused by name; a missing key
/// gives an empty result.
public final class GgufMetadata {
    private final Path path;
    private final MemorySegment bytes;
    private final Map<String, GgufPlace> places;

    private GgufMetadata(Path path, MemorySegment bytes, Map<String, GgufPlace> places) {
        this.path = path;
        this.bytes = bytes;
        this.places = places;
    }

    /// Reads `count` pairs at the position of `reader` and moves it past them.
    static GgufMetadata read(GgufReader reader, MemorySegment bytes, long count) {
        reader.require(
                count, 8 + 4 + 1, "the metadata of " + Long.toUnsignedString(count) + " keys");
        Map<String, GgufPlace> places = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            String key = reader.readText("the name of metadata key " + i);
            if (places.put(key, GgufPlace.read(reader, key)) != null) {
                throw new CheckpointException(
                        "%s: metadata key %s occurs twice: the file is damaged, download it again"
                                .formatted(reader.path(), key));
            }
        }
        return new GgufMetadata(reader.path(), bytes, places);
    }

    public Path path() {
        return path;
    }

    public Set<String> keys() {
        return Collections.unmodifiableSet(places.keySet());
    }

    public boolean has(String key) {
        return places.containsKey(key);
    }

    public Optional<String> text(String key) {
        return find(key)
                .map(
                        place -> {
                            requireType(key, place, place.isText(), "a string");
                            return reader(place.valueStart()).readText(key);
                        });
    }

    /// Returns a whole number of any width.
    public OptionalLong integer(String key) {
        Optional<GgufPlace> place = find(key);
        if (place.isEmpty()) {
            return OptionalLong.empty();
        }
        requireType(key, place.get(), isInteger(place.get().type()), "a whole number");
        return OptionalLong.of(
                readInteger(reader(place.get().valueStart()), place.get().type(), key));
    }

    /// Returns a whole number that fits an `int`.
    public Optional<Integer> size(String key) {
        OptionalLong value = integer(key);
        if (value.isEmpty()) {
            return Optional.empty();
        }
        if (value.getAsLong() < 0 || value.getAsLong() > Integer.MAX_VALUE) {
            throw wrong(key, value.getAsLong(), "a number from 0 to 2^31 - 1");
        }
        return Optional.of((int) value.getAsLong());
    }

    /// Returns a number, whole or not. A 32-bit float becomes the double of its shortest decimal,
    /// so that 1e-5 equals the value read from JSON.
    public OptionalDouble number(String key) {
        Optional<GgufPlace> place = find(key);
        if (place.isEmpty()) {
            return OptionalDouble.empty();
        }
        int type = place.get().type();
        GgufReader reader = reader(place.get().valueStart());
        if (type == 6) {
            float value = Float.intBitsToFloat(reader.readInt(key));
            return OptionalDouble.of(Double.parseDouble(Float.toString(value)));
        }
        if (type == 12) {
            return OptionalDouble.of(Double.longBitsToDouble(reader.readLong(key)));
        }
        requireType(key, place.get(), isInteger(type), "a number");
        return OptionalDouble.of((double) readInteger(reader, type, key));
    }

    public Optional<Boolean> flag(String key) {
        return find(key)
                .map(
                        place -> {
                            requireType(key, place, place.type() == 7, "true or false");
                            return reader(place.valueStart()).readByte(key) != 0;
                        });
    }

    /// Returns a list of strings, decoded anew by each call.
    public Optional<List<String>> texts(String key) {
        return find(key)
                .map(
                        place -> {
                            requireArray(
                                    key, place, place.elementType() == GgufPlace.TEXT, "strings");
                            GgufReader reader = reader(place.elementsStart());
                            List<String> texts = new ArrayList<>((int) place.count());
                            for (long i = 0; i < place.count(); i++) {
                                texts.add(reader.readText(key));
                            }
                            return Collections.unmodifiableList(texts);
                        });
    }

    /// Returns a list of 32-bit floats, copied by each call.
    public Optional<float[]> floats(String key) {
        return find(key)
                .map(
                        place -> {
                            requireArray(key, place, place.elementType() == 6, "32-bit floats");
                            GgufReader reader = reader(place.elementsStart());
                            float[] values = new float[(int) place.count()];
                            for (int i = 0; i < values.length; i++) {
                                values[i] = Float.intBitsToFloat(reader.readInt(key));
                            }
                            return values;
                        });
    }

    /// Returns a list of whole numbers of any width, or of booleans as 0 and 1, copied by each
    /// call.
    public Optional<int[]> integers(String key) {
        return find(key)
                .map(
                        place -> {
                            int type = place.elementType();
                            requireArray(key, place, isInteger(type) || type == 7, "whole numbers");
                            GgufReader reader = reader(place.elementsStart());
                            int[] values = new int[(int) place.count()];
                            for (int i = 0; i < values.length; i++) {
                                long value = readInteger(reader, type, key);
                                if (value != (int) value) {
                                    throw wrong(key, value, "numbers below 2^31");
                                }
                                values[i] = (int) value;
                            }
                            return values;
                        });
    }

    /// Returns the number of elements of a list without decoding it; 1 for a single value, 0 when
    /// absent.
    public long count(String key) {
        return find(key).map(GgufPlace::count).orElse(0L);
    }

    /// Returns the stored bytes of a value, for digests.
    MemorySegment stored(String key) {
        GgufPlace place = find(key).orElseThrow(() -> missing(key));
        return bytes.asSlice(place.valueStart(), place.end() - place.valueStart());
    }

    /// Returns GGUF's number of a value's type.
    int typeOf(String key) {
        return find(key).orElseThrow(() -> missing(key)).type();
    }

    /// Returns whether the value switches nothing on: false, 0, an empty list, or a text.
    boolean isNeutral(String key) {
        GgufPlace place = find(key).orElseThrow(() -> missing(key));
        if (place.isArray()) {
            return place.count() == 0;
        }
        if (place.type() == 7) {
            return !flag(key).orElseThrow();
        }
        return place.isText() || number(key).orElseThrow() == 0;
    }

    /// Returns whether the value is a list.
    boolean isArray(String key) {
        return find(key).map(GgufPlace::isArray).orElse(false);
    }

    public CheckpointException missing(String key) {
        return new CheckpointException(
                "%s: metadata key %s is missing: convert the model again".formatted(path, key));
    }

    public CheckpointException wrong(String key, Object value, String expected) {
        return new CheckpointException(
                "%s: metadata key %s is %s, expected %s".formatted(path, key, value, expected));
    }

    private static boolean isInteger(int type) {
        return (type >= 0 && type <= 5) || type == 10 || type == 11;
    }

    private static long readInteger(GgufReader reader, int type, String key) {
        return switch (type) {
            case 0, 7 -> Byte.toUnsignedLong(reader.readByte(key));
            case 1 -> reader.readByte(key);
            case 2 -> Short.toUnsignedLong(reader.readShort(key));
            case 3 -> reader.readShort(key);
            case 4 -> Integer.toUnsignedLong(reader.readInt(key));
            case 5 -> reader.readInt(key);
            default -> reader.readLong(key);
        };
    }

    private Optional<GgufPlace> find(String key) {
        return Optional.ofNullable(places.get(key));
    }

    private GgufReader reader(long position) {
        return new GgufReader(path, bytes, position);
    }

    private void requireArray(String key, GgufPlace place, boolean elementsFit, String expected) {
        requireType(key, place, place.isArray() && elementsFit, "a list of " + expected);
    }

    private void requireType(String key, GgufPlace place, boolean fits, String expected) {
        if (!fits) {
            String actual =
                    place.isArray()
                            ? "a list of type " + place.elementType()
                            : "of type " + place.type();
            throw wrong(key, actual, expected);
        }
    }
}

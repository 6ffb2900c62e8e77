// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.proto;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// Random changes of messages, the same for the same seed: values at and beyond every limit,
/// unknown enum values, repeated fields that are longer, shorter or in another order, bytes that
/// are cut off.
public final class MessageMutations {
    private static final int[] INTEGERS = {
        0, 1, -1, 2, 7, 15, 16, 17, 32, 33, 100, 511, 512, 513, 1 << 20, 1 << 30
    };
    private static final float[] FLOATS = {
        0, -0f, 1, -1, 2, 1e-45f, 1e38f, Float.NaN, 1 / 0f, -1 / 0f, Float.MIN_VALUE
    };

    private final Random random;
    private final Set<String> kept;

    /// Creates changes.
    ///
    /// @param kept names of fields that stay as they are
    public MessageMutations(long seed, Set<String> kept) {
        this.random = new Random(seed);
        this.kept = Set.copyOf(kept);
    }

    /// Changes one to three fields of a message or of a message in it, and returns which.
    public List<String> mutate(Message.Builder message) {
        List<String> changes = new ArrayList<>();
        for (int i = random.nextInt(3); i >= 0; i--) {
            changes.add(mutateOne(message));
        }
        return changes;
    }

    private String mutateOne(Message.Builder message) {
        List<FieldDescriptor> fields =
                message.getDescriptorForType().getFields().stream()
                        .filter(field -> !kept.contains(field.getName()))
                        .toList();
        if (fields.isEmpty()) {
            return "nothing";
        }
        FieldDescriptor field = fields.get(random.nextInt(fields.size()));
        String inside =
                field.isRepeated() ? mutateRepeated(message, field) : mutateSingle(message, field);
        return field.getName() + inside;
    }

    private String mutateSingle(Message.Builder message, FieldDescriptor field) {
        if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
            if (random.nextInt(8) == 0) {
                message.clearField(field);
                return " cleared";
            }
            return "." + mutateOne(message.getFieldBuilder(field));
        }
        Object value = value(field, message.getField(field));
        message.setField(field, value);
        return " = " + value;
    }

    private String mutateRepeated(Message.Builder message, FieldDescriptor field) {
        int count = message.getRepeatedFieldCount(field);
        boolean isMessage = field.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
        int chosen = count == 0 ? 0 : random.nextInt(count);
        switch (random.nextInt(6)) {
            case 0 -> {
                message.clearField(field);
                return " cleared";
            }
            case 1 -> {
                if (count > 0) {
                    message.addRepeatedField(field, message.getRepeatedField(field, chosen));
                }
                return " repeated";
            }
            case 2 -> {
                message.addRepeatedField(
                        field,
                        isMessage
                                ? message.newBuilderForField(field).build()
                                : value(field, ByteString.EMPTY));
                return " added";
            }
            default -> {
                if (count == 0) {
                    return " is empty";
                }
                if (isMessage) {
                    return "[%d].%s"
                            .formatted(
                                    chosen,
                                    mutateOne(message.getRepeatedFieldBuilder(field, chosen)));
                }
                Object value = value(field, message.getRepeatedField(field, chosen));
                message.setRepeatedField(field, chosen, value);
                return "[" + chosen + "] = " + value;
            }
        }
    }

    private Object value(FieldDescriptor field, Object now) {
        return switch (field.getJavaType()) {
            case INT -> integer();
            case LONG -> random.nextBoolean() ? (long) integer() : random.nextLong();
            case FLOAT -> FLOATS[random.nextInt(FLOATS.length)];
            case DOUBLE -> (double) FLOATS[random.nextInt(FLOATS.length)];
            case BOOLEAN -> !Boolean.TRUE.equals(now);
            case STRING -> random.nextBoolean() ? "" : "x\0\u20ac".repeat(1 + random.nextInt(99));
            case BYTE_STRING -> bytes((ByteString) now);
            case ENUM -> enumValue(field.getEnumType());
            case MESSAGE -> throw new IllegalArgumentException(field + " is a message");
        };
    }

    private int integer() {
        return switch (random.nextInt(8)) {
            case 0 -> Integer.MAX_VALUE;
            case 1 -> Integer.MIN_VALUE;
            case 2 -> random.nextInt();
            default -> INTEGERS[random.nextInt(INTEGERS.length)];
        };
    }

    private Object enumValue(EnumDescriptor type) {
        return type.findValueByNumberCreatingIfUnknown(random.nextInt(4) - 1);
    }

    private ByteString bytes(ByteString now) {
        byte[] bytes = now.toByteArray();
        if (bytes.length > 0 && random.nextBoolean()) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            return ByteString.copyFrom(bytes);
        }
        if (bytes.length > 0 && random.nextBoolean()) {
            return now.substring(0, random.nextInt(bytes.length));
        }
        var fresh = new byte[random.nextInt(40)];
        random.nextBytes(fresh);
        return ByteString.copyFrom(fresh);
    }
}

package dev.lockstep.coordinator;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.WireFormat;
import java.io.IOException;

/// As [JsonWeight], of a protobuf message: as an object, and as the tree that is made of it. Some
/// megabytes of empty messages within it would fill the heap.
final class ProtoWeight {
    // The message and the tree's object, each with its place in a list.
    private static final int MESSAGE_BYTES = 320;

    // A number or an unknown field, boxed, with its place in a list, and in the tree.
    private static final int VALUE_BYTES = 160;
    private static final int BYTES_PER_CHARACTER = 4;

    /// Of packed numbers, each of which may be a byte: as an array that grows, and as nodes.
    private static final int BYTES_PER_PACKED_BYTE = 32;

    private final CodedInputStream in;
    private final long most;
    private long bytes;

    private ProtoWeight(byte[] message, long most) {
        this.in = CodedInputStream.newInstance(message);
        this.most = most;
    }

    /// The weight, or more than `most` as soon as it is more. What is no message weighs what stands
    /// before the mistake, which is found again when it is read.
    static long of(byte[] message, Descriptor type, long most) {
        ProtoWeight weight = new ProtoWeight(message, most);
        try {
            weight.message(type);
        } catch (IOException e) {
            return weight.bytes;
        }
        return weight.bytes;
    }

    private void message(Descriptor type) throws IOException {
        bytes += MESSAGE_BYTES;
        while (!in.isAtEnd() && bytes <= most) {
            int tag = in.readTag();
            bytes += VALUE_BYTES;
            FieldDescriptor field = type.findFieldByNumber(WireFormat.getTagFieldNumber(tag));
            if (WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                in.skipField(tag);
            } else if (field != null && field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
                int limit = in.pushLimit(in.readRawVarint32());
                message(field.getMessageType());
                in.popLimit(limit);
            } else {
                int length = in.readRawVarint32();
                boolean packed = field != null && field.isPackable();
                bytes += (long) length * (packed ? BYTES_PER_PACKED_BYTE : BYTES_PER_CHARACTER);
                in.skipRawBytes(length);
            }
        }
    }
}

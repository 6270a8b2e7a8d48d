// Calls what it is told to by lines of JSON, `{ target, method, metadata }`, and writes a line for each answer: `{ answer }` or `{ code, details }`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

type text struct{}

func (text) Name() string                           { return "text" }
func (text) Marshal(value any) ([]byte, error)      { return []byte(*value.(*string)), nil }
func (text) Unmarshal(bytes []byte, into any) error { *into.(*string) = string(bytes); return nil }

type call struct {
	Target     string
	Method     string
	Metadata   map[string]string
	DeadlineMs int
}

func main() {
	connections := map[string]*grpc.ClientConn{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked call
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		connection := connections[asked.Target]
		if connection == nil {
			made, err := grpc.NewClient(asked.Target, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				panic(err)
			}
			connection = made
			connections[asked.Target] = made
		}
		deadline := time.Duration(asked.DeadlineMs) * time.Millisecond
		ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), metadata.New(asked.Metadata)), deadline)
		request, answer := "", ""
		err := connection.Invoke(ctx, asked.Method, &request, &answer, grpc.ForceCodec(text{}))
		cancel()
		said := map[string]any{"answer": answer}
		if err != nil {
			said = map[string]any{"code": status.Code(err), "details": status.Convert(err).Message()}
		}
		written, _ := json.Marshal(said)
		fmt.Println(string(written))
	}
}

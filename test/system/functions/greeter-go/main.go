// A function over AWS Lambda's own client for Go: what it does is told by its event.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do   string `json:"do"`
	Name string `json:"name"`
}

type greeting struct {
	Text        string `json:"text"`
	RequestID   string `json:"requestId"`
	ARN         string `json:"arn"`
	Function    string `json:"function"`
	Memory      int    `json:"memory"`
	RemainingMs int64  `json:"remainingMs"`
	PID         int    `json:"pid"`
}

type noNameError struct{}

func (noNameError) Error() string { return "nobody to greet" }

func greet(ctx context.Context, in request) (greeting, error) {
	switch in.Do {
	case "fail":
		return greeting{}, noNameError{}
	case "panic":
		panic("out of words")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Hour)
	case "print":
		fmt.Println("a line of", in.Name)
	}
	called, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return greeting{
		Text:        "Hello " + in.Name,
		RequestID:   called.AwsRequestID,
		ARN:         called.InvokedFunctionArn,
		Function:    lambdacontext.FunctionName + "@" + lambdacontext.FunctionVersion,
		Memory:      lambdacontext.MemoryLimitInMB,
		RemainingMs: time.Until(deadline).Milliseconds(),
		PID:         os.Getpid(),
	}, nil
}

func main() {
	lambda.Start(greet)
}

// Package message writes and reads the few protobuf messages that the programs need. Field numbers
// are facts of Gitaly's protocol.
package message

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	repositoryField   = 1
	storageField      = 2
	relativePathField = 3
	glRepositoryField = 6
	glProjectField    = 8
)

// Request is a request whose repository is field 1, as most are, followed by `payload` at field 2.
func Request(storage, relativePath string, payload []byte) []byte {
	var repository []byte
	repository = appendText(repository, storageField, storage)
	repository = appendText(repository, relativePathField, relativePath)
	repository = appendText(repository, glRepositoryField, "project-1234")
	repository = appendText(repository, glProjectField, "group/project")
	var request []byte
	request = protowire.AppendTag(request, repositoryField, protowire.BytesType)
	request = protowire.AppendBytes(request, repository)
	request = protowire.AppendTag(request, 2, protowire.BytesType)
	return protowire.AppendBytes(request, payload)
}

// Repository is what a request says about its repository.
type Repository struct{ Storage, RelativePath string }

// ReadRepository reads the repository at field 1.
func ReadRepository(request []byte) (Repository, error) {
	var repository Repository
	err := eachField(request, func(number protowire.Number, content, _ []byte) error {
		if number != repositoryField {
			return nil
		}
		return eachField(content, func(number protowire.Number, content, _ []byte) error {
			switch number {
			case storageField:
				repository.Storage = string(content)
			case relativePathField:
				repository.RelativePath = string(content)
			}
			return nil
		})
	})
	return repository, err
}

// Rewrite gives the request with other names in its repository. All else stays as it is.
func Rewrite(request []byte, to Repository) ([]byte, error) {
	rewritten := make([]byte, 0, len(request)+len(to.RelativePath))
	err := eachField(request, func(number protowire.Number, content, whole []byte) error {
		if number != repositoryField {
			rewritten = append(rewritten, whole...)
			return nil
		}
		var repository []byte
		repository = appendText(repository, storageField, to.Storage)
		repository = appendText(repository, relativePathField, to.RelativePath)
		err := eachField(content, func(number protowire.Number, _, whole []byte) error {
			if number != storageField && number != relativePathField {
				repository = append(repository, whole...)
			}
			return nil
		})
		rewritten = protowire.AppendTag(rewritten, repositoryField, protowire.BytesType)
		rewritten = protowire.AppendBytes(rewritten, repository)
		return err
	})
	return rewritten, err
}

// Phase is the phase of a vote.
type Phase uint64

// The phases that Gitaly's own code votes in.
const (
	Prepared  Phase = 1
	Committed Phase = 2
)

// Vote is a VoteTransactionRequest.
type Vote struct {
	Transaction uint64
	Node        string
	Hash        []byte
	Phase       Phase
}

// Marshal gives the bytes of a vote.
func (vote Vote) Marshal() []byte {
	var bytes []byte
	bytes = protowire.AppendTag(bytes, 2, protowire.VarintType)
	bytes = protowire.AppendVarint(bytes, vote.Transaction)
	bytes = appendText(bytes, 3, vote.Node)
	bytes = protowire.AppendTag(bytes, 4, protowire.BytesType)
	bytes = protowire.AppendBytes(bytes, vote.Hash)
	bytes = protowire.AppendTag(bytes, 5, protowire.VarintType)
	return protowire.AppendVarint(bytes, uint64(vote.Phase))
}

// ReadVote reads a VoteTransactionRequest.
func ReadVote(bytes []byte) (Vote, error) {
	var vote Vote
	for len(bytes) > 0 {
		number, kind, length := protowire.ConsumeField(bytes)
		if length < 0 {
			return vote, protowire.ParseError(length)
		}
		_ = kind
		_, _, tag := protowire.ConsumeTag(bytes)
		content := bytes[tag:length]
		switch number {
		case 2:
			vote.Transaction, _ = protowire.ConsumeVarint(content)
		case 3:
			vote.Node, _ = protowire.ConsumeString(content)
		case 4:
			vote.Hash, _ = protowire.ConsumeBytes(content)
		case 5:
			phase, _ := protowire.ConsumeVarint(content)
			vote.Phase = Phase(phase)
		}
		bytes = bytes[length:]
	}
	return vote, nil
}

func appendText(to []byte, number protowire.Number, text string) []byte {
	to = protowire.AppendTag(to, number, protowire.BytesType)
	return protowire.AppendString(to, text)
}

// eachField visits the length-delimited fields of a message. `whole` is the field with its tag.
func eachField(message []byte, visit func(number protowire.Number, content, whole []byte) error) error {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		length := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if length < 0 {
			return fmt.Errorf("field %d: %w", number, protowire.ParseError(length))
		}
		whole := message[:tag+length]
		content := whole[tag:]
		if kind == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(content)
		}
		if err := visit(number, content, whole); err != nil {
			return err
		}
		message = message[tag+length:]
	}
	return nil
}
